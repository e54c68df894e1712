import type { Clock } from "../domain/ambient.ts";
import type { Wire } from "../domain/wire.ts";
import type { StepConfig, StepNode } from "../definition/node.ts";
import type { ItemStore } from "../ports/items.ts";

type Level = "debug" | "info" | "warn" | "error";
type Fields = Readonly<Record<string, unknown>>;
export type PolicyLog = { readonly [level in Level]: (message: string, fields?: Fields) => void };

/** The second argument of a step function, as far as policies use it. */
export interface AttemptContext {
  /** The draft. Reading it makes it. */
  context: unknown;
  /** As it was before the attempt. */
  readonly contextBefore: Wire;
  /** Finished iterations of the nearest loop. */
  readonly iteration: number;
  readonly path: string;
  readonly log: PolicyLog;
  /** The result was kept from before: the record says so. */
  cacheHit: boolean;
  /** Told once how the attempt ended, after everything that is asked about it. */
  atEnd: AtEnd | undefined;
}

/** What an attempt gave, when nothing was wrong with it. */
export type AtEnd = (gave: { readonly output: Wire; readonly context?: Wire } | undefined) => void | Promise<void>;

/** One try of a step, as the policies around it see it. */
export interface Attempt {
  readonly input: unknown;
  readonly context: AttemptContext;
  /** The attempt's own signal. Reading it creates it: steps that never look at it pay nothing. */
  readonly signal: () => AbortSignal;
  readonly abort: (reason: unknown) => void;
  /** Calls back once after a delay; returns how to cancel that. */
  readonly after: (delayMs: number, callback: () => void) => () => void;
  /** What is left of the whole run's time, in milliseconds. */
  readonly runTimeLeftMs: number | undefined;
  /** What plugins found wrong with an output that is kept all the same. */
  readonly findings?: Finding[];
}

/** What one validator or plugin said. */
export interface Finding {
  readonly name: string;
  readonly isValid: boolean;
  readonly score: number;
  readonly feedback?: string;
  readonly metadata?: unknown;
}

export type Execute = (attempt: Attempt) => unknown;

/** What policies may use of the process. */
export interface PolicyHost {
  readonly clock: Pick<Clock, "now">;
  readonly items: ItemStore;
}

/** What policies may know of the step they wrap: fixed at registration, so a policy that does not apply costs nothing. */
export interface Wrapped {
  readonly node: StepNode;
  readonly config: StepConfig;
  readonly purpose: "step" | "undo";
  readonly host: PolicyHost;
}

/** One wrapper around a step attempt. Answers `next` itself when the step has no need of it. */
export type Policy = (next: Execute, step: Wrapped) => Execute;

/** Outermost first. */
export const compose = (policies: readonly Policy[], run: Execute, step: Wrapped): Execute =>
  policies.reduceRight((next, policy) => policy(next, step), run);
