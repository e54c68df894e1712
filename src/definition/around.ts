import type { Failure } from "../domain/failure.ts";
import type { Wire } from "../domain/wire.ts";
import type { Pure } from "./node.ts";

/**
 * What stands around the function of a step besides its retries, its timeout and its schemas: what was given, in the order in
 * which it is asked. Functions have lost their types, as in nodes; `ctx` is the worker's business.
 */
export interface Around {
  readonly cache?: Caching;
  readonly processors?: Processors;
  /** By priority, the largest first. */
  readonly plugins?: readonly Plugin[];
  readonly validators?: readonly Validator[];
  /** What does not pass is another attempt's business, while there are some. */
  readonly retriesInvalid?: true;
  /** What does not pass is kept all the same, and what was said of it is recorded. */
  readonly tolerant?: true;
  /** Lists of the context that take verdicts, and their feedback. */
  readonly verdictsTo?: string;
  readonly feedbackTo?: string;
  readonly invariants?: readonly Invariant[];
  readonly failureHandlers?: readonly FailureHandler[];
}

export interface Caching {
  /** Who the step is, in any flow. */
  readonly identity: Wire;
  readonly version: string | undefined;
  /** Stands for the value and the context. */
  readonly key: Pure<unknown> | undefined;
  /** What of the context the step reads. */
  readonly context: "all" | readonly string[];
  readonly scope: "memory" | "store";
  readonly ttlMs: number;
}

export interface Named<Ask> {
  readonly name: string;
  readonly ask: Ask;
}

export type Processor = Named<(data: unknown, ctx: never) => unknown>;
export type Plugin = Named<(data: unknown, ctx: never) => unknown>;
export type Validator = Named<(output: unknown, ctx: never) => unknown>;
export type Invariant = Named<Pure<unknown>>;
export type FailureHandler = Named<(failure: Failure, ctx: never) => unknown>;

export interface Processors {
  readonly prompt: readonly Processor[];
  readonly output: readonly Processor[];
}
