import type { Node, SequenceNode, StepNode } from "../../src/definition/node.ts";
import { nodePath } from "../../src/domain/ids.ts";
import { ONE_ATTEMPT } from "../../src/domain/retry.ts";

/** Definitions by hand, without a builder: what any face might hand in. */
export function stepNode(path: string, rest: Partial<StepNode> = {}): StepNode {
  const id = path.slice(path.lastIndexOf("/") + 1);
  return {
    kind: "step",
    id,
    path: nodePath(path),
    label: "step",
    run: (input) => input,
    config: { retry: ONE_ATTEMPT },
    ...rest,
  };
}

export function sequenceNode(path: string, ...children: readonly Node[]): SequenceNode {
  const id = path.slice(path.lastIndexOf("/") + 1);
  return { kind: "sequence", id, path: nodePath(path), label: "body", children };
}

export const rootOf = (...children: readonly Node[]): SequenceNode => sequenceNode("root", ...children);

export const META = { name: "sample", version: "1" } as const;
