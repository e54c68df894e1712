import type { FlowMeta } from "./meta.ts";
import type { Node } from "./node.ts";
import type { Problem } from "./problem.ts";

export function typeProblems(_root: Node, _meta: FlowMeta): Problem[] {
  return [];
}
