import { ONE_ATTEMPT, type RetryPolicy, retryPolicy } from "../domain/retry.ts";
import { childPath, type NodePath } from "../domain/ids.ts";
import { durationMs } from "../domain/duration.ts";
import type { Node, SequenceNode, StepConfig, StepFunction, StepNode } from "../definition/node.ts";
import type { AttemptOptions } from "../dsl/options.ts";
import type { AgentContext } from "./agent-context.ts";

/** Where a part of an agent is: below its parent, under its own id. */
export interface At {
  readonly id: string;
  readonly path: NodePath;
}

export const below = (parent: At, id: string): At => ({ id, path: childPath(parent.path, id) });

export const sequence = ({ id, path }: At, label: string, children: readonly Node[]): SequenceNode => ({
  kind: "sequence",
  id,
  path,
  label,
  children,
});

/** A step of an agent. Its context has what agents need: the worker gives it to every step. */
export function agentStep<In>(
  { id, path }: At,
  { label, config }: { readonly label: string; readonly config: StepConfig },
  run: (input: In, ctx: AgentContext) => unknown,
): StepNode {
  return { kind: "step", id, path, label, run: run as StepFunction, config };
}

/** Throws OPTION_INVALID. `fallback`: what an author who says nothing gets. */
export function configOf({ retry, timeout }: AttemptOptions, fallback: RetryPolicy = ONE_ATTEMPT): StepConfig {
  const policy = typeof retry === "number" ? retryPolicy({ attempts: retry }) : retry && retryPolicy(retry);
  return {
    retry: policy ?? fallback,
    ...(timeout !== undefined && { timeoutMs: durationMs(timeout, "timeout") }),
  };
}
