import type { Node } from "./node.ts";

/** The nodes directly below a node, in declared order. */
export function childrenOf(node: Node): readonly Node[] {
  switch (node.kind) {
    case "step":
    case "wait":
    case "call":
      return [];
    case "sequence":
      return node.children;
    case "branch":
      return node.otherwise === undefined ? Object.values(node.cases) : [...Object.values(node.cases), node.otherwise];
    case "loop":
      return [node.body];
    case "fork":
      return node.children.kind === "map" ? [node.children.body] : Object.values(node.children.branches);
    case "attempt":
      return node.handler === undefined ? [node.body] : [node.body, node.handler.node];
  }
}

/** A node and everything below it, parents first. */
export function* walk(node: Node): Generator<Node, void, undefined> {
  yield node;
  for (const child of childrenOf(node)) yield* walk(child);
}
