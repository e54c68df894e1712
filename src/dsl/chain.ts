import type { Definition } from "../definition/definition.ts";
import type { FlowMeta } from "../definition/meta.ts";
import type { Node } from "../definition/node.ts";
import type { Problem } from "../definition/problem.ts";
import { childPath, type NodePath } from "../domain/ids.ts";
import type { ErasedBody, Place } from "./place.ts";

/** One construct and those before it: extending a builder copies nothing, and a shared beginning is shared. */
interface Link {
  readonly before: Link | undefined;
  readonly node: Node;
  readonly problems: readonly Problem[];
  readonly calls: readonly Definition[];
}

/** What a builder knows: its flow, the path of its sequence and the constructs so far. */
export interface Chain {
  readonly flow: FlowMeta;
  /** The flow itself; else a body somewhere in it, which cannot be built. */
  readonly whole: boolean;
  readonly path: NodePath;
  readonly last: Link | undefined;
}

export interface Unlinked {
  readonly nodes: readonly Node[];
  readonly problems: readonly Problem[];
  readonly calls: readonly Definition[];
}

export const NOT_CONTINUED = "a body is a function that returns the builder it was given, continued: (b) => b.step(…)";

export const extended = (chain: Chain, { problems, calls }: Place, node: Node): Chain => ({
  ...chain,
  last: { before: chain.last, node, problems, calls },
});

/** What a chain holds, in the order it was written. */
export function unlink(chain: Chain): Unlinked {
  const links: Link[] = [];
  for (let link = chain.last; link !== undefined; link = link.before) links.push(link);
  links.reverse();
  return {
    nodes: links.map((link) => link.node),
    problems: links.flatMap((link) => link.problems),
    calls: links.flatMap((link) => link.calls),
  };
}

/** Whether `end` is `start` with more constructs: a body could return a builder of somewhere else. */
export function continues(end: Chain, start: Chain): boolean {
  if (end.path !== start.path) return false;
  for (let link = end.last; link !== start.last; link = link.before) if (link === undefined) return false;
  return true;
}

/** The place of a construct in a chain; `run` gives the chain that a body made of an empty one. */
export function placeIn(chain: Chain, id: string, run: (body: ErasedBody, start: Chain) => Chain | undefined): Place {
  const path = childPath(chain.path, id);
  const { flow } = chain;
  const place: Place = {
    id,
    path,
    flow,
    problems: [],
    calls: [],
    open: (inner, label, body) => {
      const start: Chain = { flow, whole: false, path: childPath(path, inner), last: undefined };
      const end = run(body, start);
      if (end === undefined) place.problems.push({ path: start.path, says: NOT_CONTINUED });
      const { nodes, problems, calls } = unlink(end ?? start);
      place.problems.push(...problems);
      place.calls.push(...calls);
      return { kind: "sequence", id: inner, path: start.path, label, children: nodes };
    },
  };
  return place;
}
