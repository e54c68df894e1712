import type { Failure } from "../domain/failure.ts";
import type { Duration } from "../domain/duration.ts";
import type { StepContext, View } from "./context.ts";
import type { Synchronous, TypeProblem } from "./type-problem.ts";

/** What is done with what validators and plugins say. */
export interface VerdictOptions {
  /** What becomes of an output that is not valid: `fail` (default), or `retry` while attempts remain. */
  readonly onInvalid?: "fail" | "retry";
  /** `false`: an output that is not valid is kept all the same, and what was said of it is logged. Default true. */
  readonly strict?: boolean;
  /**
   * A field of the context, a list: every verdict is appended, `{ step, isValid, score, feedback, validators }`. Like all changes
   * of the context it is kept when the attempt succeeds; what was said of a failed one is in the details of its failure.
   */
  readonly persistValidationTo?: string;
  /** A field of the context, a list: the feedback of what was not satisfied is appended, under the same rule. */
  readonly persistFeedbackTo?: string;
}

/** What may stand around the function of a step, or around an agent. Each is paid for by the steps that use it only. */
export interface AroundOptions<Value, Out, Context> extends VerdictOptions {
  /** An output that was computed before is given again, without running the step. `true`: as `{}`. */
  readonly cache?: true | CacheOptions<Value, Context>;
  readonly processors?: ProcessorOptions<Context>;
  /**
   * Asked about what leaves the step, the one of the largest priority first. One that refuses (VALIDATION_FAILED) or throws
   * (PLUGIN_FAILED) fails the attempt, and another one is made while some remain; REDIRECT_LOOP is final. Source: Flujo, validation plugins.
   */
  readonly plugins?: readonly Plugin<Value, Out, Context>[];
  /**
   * Asked about what leaves the step, all at once, after its output schema. Any that is not satisfied, or throws, fails it with
   * VALIDATION_FAILED: the message has the feedback of all, the details each one's name, score and feedback.
   */
  readonly validators?: readonly Validator<Out, Context>[];
  /** What must hold after the step; violated, it fails with INVARIANT_VIOLATED and is not tried again. */
  readonly invariants?: readonly Invariant<Out, Context>[];
  /**
   * Told once when the last attempt has failed, before that is recorded: at least once, where a process dies in between. What one
   * throws is logged.
   */
  readonly failureHandlers?: readonly FailureHandler<Context>[];
}

/**
 * A result is kept under what it depends on: the step (its id and the text of its function, or the `name` it is given here; for
 * agents who they are), its schemas, the value that flows in and the context. Runs and flows share it. A hit changes the context
 * as the step did, is recorded with `cacheHit: true`, and spends nothing. Only outputs of attempts that succeeded are kept. When
 * the same work is under way in this process, it is waited for. A cache that cannot be read or written is logged, and the step
 * runs. Source: Flujo, CacheStep.
 */
export interface CacheOptions<Value, Context> {
  /** How long a result is good for. Default 1 hour. */
  readonly ttl?: Duration;
  /** What the result depends on, instead of the value and the context. Pure; where it throws, the step runs uncached. */
  readonly key?: (value: Value, view: View<Context>) => unknown;
  /** Fields of the context that the step reads: the others may differ. Default: all. */
  readonly context?: readonly string[];
  /** `memory` (default): of this process, the 1,000 results used last. `store`: shared by all processes, and there after a restart. */
  readonly scope?: "memory" | "store";
  /** Change it when earlier results are not good any more. */
  readonly version?: string;
  /** Whoever has this name has the same results. Default: the id of the step and the text of its function. */
  readonly name?: string;
}

export type FailureHandler<Context = unknown> = (failure: Failure, ctx: StepContext<Context>) => unknown;

export type Processor<Context = unknown> = (data: unknown, ctx: StepContext<Context>) => unknown;

/**
 * What the data goes through, one after the other. For an agent: its prompt, and the text of its answer (before it is read as what
 * `output` says). Fails with PROCESSOR_FAILED: of a prompt for good, of an output while attempts remain. Source: Flujo, processors.
 */
export interface ProcessorOptions<Context> {
  readonly prompt?: readonly Processor<Context>[];
  readonly output?: readonly Processor<Context>[];
}

/** What a validator says. `score` is 1 when it says nothing else and is satisfied, 0 when it is not. */
export interface Verdict {
  readonly isValid: boolean;
  readonly score?: number;
  readonly feedback?: string;
  readonly metadata?: unknown;
}

export interface Validator<Out, Context = unknown> {
  /** Default "validator" and its number. */
  readonly name?: string;
  validate(output: Out, ctx: StepContext<Context>): boolean | Verdict | Promise<boolean | Verdict>;
}

export interface PluginAnswer<Value, Context = unknown> {
  readonly success: boolean;
  readonly feedback?: string;
  /** Who shall do it instead: gets the value that the step got, and what it gives is asked about anew. Not twice the same. */
  readonly redirectTo?: ((value: Value, ctx: StepContext<Context>) => unknown) | Answering<Value>;
  /** Replaces the output, and is asked about anew. */
  readonly newSolution?: unknown;
}

/** What can be asked inside a step: an agent. */
export interface Answering<in Value> {
  readonly name: string;
  answer(value: Value, ctx: StepContext<unknown>): Promise<unknown>;
}

export interface Plugin<Value, Out, Context = unknown> {
  readonly name: string;
  /** Larger is sooner. Default 0; equal ones in the order given. */
  readonly priority?: number;
  validate(
    output: Out,
    ctx: StepContext<Context>,
  ): PluginAnswer<Value, Context> | Promise<PluginAnswer<Value, Context>>;
}

/**
 * True, or why not. Pure and synchronous, given copies. Whatever is not `true` violates it, and so does a throw. Named by the
 * name of the function.
 */
export type Invariant<Out, Context = unknown> = (
  output: Out,
  view: View<Context>,
) => boolean | string | TypeProblem<Synchronous>;
