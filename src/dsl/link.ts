import type { Definition } from "../definition/definition.ts";
import type { Node } from "../definition/node.ts";
import type { Problem } from "../definition/problem.ts";

/** One construct and those before it: extending a builder copies nothing, and a shared beginning is shared. */
export interface Link {
  readonly before: Link | undefined;
  readonly node: Node;
  readonly problems: readonly Problem[];
  readonly calls: readonly Definition[];
}

export interface Unlinked {
  readonly nodes: readonly Node[];
  readonly problems: readonly Problem[];
  readonly calls: readonly Definition[];
}

/** What a chain holds, in the order it was written. */
export function unlink(last: Link | undefined): Unlinked {
  const links: Link[] = [];
  for (let link = last; link !== undefined; link = link.before) links.push(link);
  links.reverse();
  return {
    nodes: links.map((link) => link.node),
    problems: links.flatMap((link) => link.problems),
    calls: links.flatMap((link) => link.calls),
  };
}

/** Whether `last` continues `start`. */
export function continues(last: Link | undefined, start: Link | undefined): boolean {
  for (let link = last; link !== start; link = link.before) if (link === undefined) return false;
  return true;
}
