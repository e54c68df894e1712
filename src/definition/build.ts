import { check } from "./check.ts";
import { type Definition, titleOf } from "./definition.ts";
import { fingerprint } from "./fingerprint.ts";
import type { FlowMeta } from "./meta.ts";
import type { Node } from "./node.ts";
import { definitionInvalid, type Problem } from "./problem.ts";
import { typeProblems } from "./type-validator.ts";
import { walk } from "./walk.ts";

export interface SealOptions {
  /** Definitions of the flows that call nodes name. */
  readonly calls?: readonly Definition[];
  /** What the face (builder, blueprint) has already found wrong; reported together with the rest. */
  readonly problems?: readonly Problem[];
}

/**
 * The last stage of every face: checks everything at once, freezes the nodes, indexes them by path and identifies them.
 * Functions and schemas belong to their authors and are not frozen.
 *
 * Throws DEFINITION_INVALID with every problem and its path.
 */
export function seal(meta: FlowMeta, root: Node, { calls = [], problems = [] }: SealOptions = {}): Definition {
  const unique = uniqueCalls(calls);
  const found = [...problems, ...check(root, meta), ...unique.problems];
  // A broken tree (cycles, endless depth) must not be walked again.
  const all = found.length > 0 ? found : typeProblems(root, meta);
  if (all.length > 0) throw definitionInvalid(titleOf(meta), all);

  deepFreeze(root);
  return Object.freeze({
    ...meta,
    fingerprint: fingerprint(root, meta),
    root,
    nodes: new Map([...walk(root)].map((node) => [node.path, node])),
    calls: Object.freeze(unique.calls),
  });
}

function uniqueCalls(calls: readonly Definition[]): { calls: Definition[]; problems: Problem[] } {
  const byTitle = new Map<string, Definition>();
  const problems: Problem[] = [];
  for (const called of calls) {
    const title = titleOf(called);
    const known = byTitle.get(title);
    if (known === undefined) byTitle.set(title, called);
    else if (known.fingerprint !== called.fingerprint) {
      problems.push({ path: "root", says: `calls two different definitions of ${title}; raise the version of one` });
    }
  }
  return { calls: [...byTitle.values()], problems };
}

/** Plain objects and arrays only: functions and schemas are the author's. */
function deepFreeze(value: unknown): void {
  if (typeof value !== "object" || value === null || Object.isFrozen(value) || "~standard" in value) return;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return;
  Object.freeze(value);
  for (const inner of Object.values(value)) deepFreeze(inner);
}
