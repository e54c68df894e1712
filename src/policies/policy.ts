import type { StepConfig, StepNode } from "../definition/node.ts";

/** One try of a step, as the policies around it see it. */
export interface Attempt {
  readonly input: unknown;
  /** The second argument of the step function. */
  readonly context: unknown;
  /** The attempt's own signal. Reading it creates it: steps that never look at it pay nothing. */
  readonly signal: () => AbortSignal;
  readonly abort: (reason: unknown) => void;
  /** Calls back once after a delay; returns how to cancel that. */
  readonly after: (delayMs: number, callback: () => void) => () => void;
  /** What is left of the whole run's time, in milliseconds. */
  readonly runTimeLeftMs: number | undefined;
}

export type Execute = (attempt: Attempt) => unknown;

/** What policies may know of the step they wrap: fixed at registration, so a policy that does not apply costs nothing. */
export interface Wrapped {
  readonly node: StepNode;
  readonly config: StepConfig;
  readonly purpose: "step" | "undo";
}

/** One wrapper around a step attempt. Answers `next` itself when the step has no need of it. */
export type Policy = (next: Execute, step: Wrapped) => Execute;

/** Outermost first. */
export const compose = (policies: readonly Policy[], run: Execute, step: Wrapped): Execute =>
  policies.reduceRight((next, policy) => policy(next, step), run);
