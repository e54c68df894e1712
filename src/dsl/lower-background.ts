import { seal } from "../definition/build.ts";
import { check } from "../definition/check.ts";
import type { FlowMeta } from "../definition/meta.ts";
import type { CallNode, Node, SequenceNode } from "../definition/node.ts";
import type { Problem } from "../definition/problem.ts";
import { childPath, isId, ROOT_PATH } from "../domain/ids.ts";
import { sha256 } from "../domain/sha256.ts";
import type { Place } from "./place.ts";

const READABLE_CHARACTERS = 50; // of the flow's name and of the step's: a hash of the place tells apart what is cut, or alike

/** Every mode but these two is a problem of the place. */
export function inMode(
  place: Place,
  executionMode: "sync" | "background" | undefined,
  lower: (at: Place) => Node,
): Node {
  if (executionMode === "background") return inBackground(place, lower);
  if (executionMode !== undefined && executionMode !== "sync")
    place.problems.push({
      path: place.path,
      says: `executionMode: expected sync or background but found ${JSON.stringify(executionMode)}`,
    });
  return lower(place);
}

/**
 * A step that nobody waits for: the only one of a flow of its own, called detached. So it is as durable as any run, and every
 * worker of its flow can do it. `lower` makes the step at the place that it has there. Source: Flujo, execution_mode background.
 */
function inBackground(place: Place, lower: (inside: Place) => Node): CallNode {
  const problems: Problem[] = [];
  const inside: Place = { ...place, problems, path: childPath(ROOT_PATH, place.id) };
  const node = lower(inside);
  const root: SequenceNode = { kind: "sequence", id: "root", path: ROOT_PATH, label: "flow", children: [node] };
  const meta = metaOf(place);
  problems.push(...check(root, meta));
  const task = problems.length === 0 ? seal(meta, root) : undefined;
  if (task !== undefined) place.calls.push(task);
  // What is wrong with the name of the flow, or with the id, the flow itself has found.
  const own = problems.filter(({ path }) => isId(place.id) && path.startsWith(inside.path));
  for (const { says } of own) place.problems.push({ path: place.path, says });
  return {
    kind: "call",
    id: place.id,
    path: place.path,
    label: `background ${node.label}`,
    flow: { name: meta.name, version: meta.version, fingerprint: task?.fingerprint ?? "" },
    inputs: (value) => value,
    single: true,
    wait: "none",
    background: true,
  };
}

/** What its task shares with the flow: version and revision, so that it changes with it, and the schema of the context. */
function metaOf({ id, path, flow: { name, version, revision, context } }: Place): FlowMeta {
  const short = [name, id].map((text) => text.slice(0, READABLE_CHARACTERS));
  const task = [...short, sha256(`${name}/${path}`).slice(0, 12)].join(":");
  return {
    name: isId(task) ? task : "background",
    version,
    ...(revision !== undefined && { revision }),
    ...(context && { context }),
  };
}
