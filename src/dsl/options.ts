import type { JoinProgress, Reducer } from "../definition/node.ts";
import type { Duration } from "../domain/duration.ts";
import type { Failure } from "../domain/failure.ts";
import type { RetryOptions } from "../domain/retry.ts";
import type { OutputOf, Schema } from "../domain/schema.ts";
import type {
  CacheOptions,
  FailureHandler,
  Invariant,
  Plugin,
  ProcessorOptions,
  Validator,
  VerdictOptions,
} from "./around.ts";
import type { OpenContext, StepContext, View } from "./context.ts";
import type { Fallback } from "./lowerable.ts";
import type { Synchronous, TypeProblem } from "./type-problem.ts";

/** How a flow is named and bounded. */
export interface FlowOptions {
  /** Any id, for example "1" or "2026-07". Raise it when runs of the old one must not continue with the new one. */
  readonly version: string;
  readonly description?: string;
  /** Enters the fingerprint: change it when code changed in a way the structure does not show. */
  readonly revision?: string;
  /** Wall-clock bound of a whole run, pauses included. Default: none. The run fails with RUN_TIMEOUT. */
  readonly timeout?: Duration;
  /**
   * What must hold after every step, and after every turn and tool call of granular agents: violated, the step fails with
   * INVARIANT_VIOLATED and is not tried again.
   */
  readonly invariants?: readonly Invariant<unknown, OpenContext>[];
}

/** How the attempts of one piece of work are made. */
export interface AttemptOptions {
  /** A number is the total of attempts, the first included. Default: one attempt. */
  readonly retry?: RetryOptions | number;
  /** Bound of each attempt. Default: none. The attempt fails with STEP_TIMEOUT. */
  readonly timeout?: Duration;
}

/**
 * What stands around the function, one by one and not inherited: a generic base is 12 instantiations more for every step that has
 * options. What each is for stands in AroundOptions and FallbackOption.
 */
interface WorkOptions<Returned, Output extends Schema, Context, Value> extends AttemptOptions, VerdictOptions {
  /** An output that was computed before is given again, without running the step. */
  readonly cache?: true | CacheOptions<Value, Context>;
  /** What the data goes through, before the step and after it. */
  readonly processors?: ProcessorOptions<Context>;
  /** Asked about what leaves the step, by priority; may replace it, or send the input to somebody else. */
  readonly plugins?: readonly Plugin<Value, StepOutput<Returned, Output>, Context>[];
  /** Asked about what leaves the step, all at once. */
  readonly validators?: readonly Validator<StepOutput<Returned, Output>, Context>[];
  /** What must hold after the step. */
  readonly invariants?: readonly Invariant<StepOutput<Returned, Output>, Context>[];
  /** Told once when the last attempt has failed. */
  readonly failureHandlers?: readonly FailureHandler<Context>[];
  /** Takes over when the step has failed for good. */
  readonly fallback?: Fallback<Value, StepOutput<Returned, Output>, Context>;
  /** Only workers that serve this queue run the step, under its rules if it has some. Default: the queue of the run. */
  readonly queue?: string;
  /** Larger is sooner. Default 0. */
  readonly priority?: number;
  /**
   * Whose the work is (a tenant, a model): queues with rules give each key its turn and its own limits. Text of 1 to 256
   * characters; pure, asked once before the first attempt, and recorded. Default: the key of the run.
   */
  readonly key?: (value: Value, view: View<Context>) => string | TypeProblem<Synchronous>;
  /** Checked before each attempt; a mismatch fails with STEP_INPUT_INVALID. */
  readonly input?: Schema;
  /** Checked after each attempt; a mismatch fails with STEP_OUTPUT_INVALID. What the schema gives is the step's output. */
  readonly output?: Output;
}

export interface StepOptions<Returned, Output extends Schema, Context, Value = unknown>
  extends WorkOptions<Returned, Output, Context, Value> {
  /** Default "sync": the flow goes on when the step is done, with what it gave. */
  readonly executionMode?: "sync";
  /** Undoes the step when the run (or an attempt with `compensate: true`) fails later. Source: Flujo, saga. */
  readonly compensate?: Compensation<StepOutput<Returned, Output>, Context>;
}

/**
 * The flow launches the step and goes on at once with the value that came to it. The step is a run of its own, a background task,
 * with a copy of the context and a share of the budget; whatever becomes of it, the flow is not touched. See
 * `flujo.failedBackgroundTasks`. Source: Flujo, execution_mode background.
 */
export interface BackgroundStepOptions<Output extends Schema, Context, Value = unknown>
  extends WorkOptions<unknown, Output, Context, Value> {
  readonly executionMode: "background";
}

/** What a step gives: what its output schema says, else what its function returned. */
export type StepOutput<Returned, Output extends Schema> = [Output] extends [never] ? Returned : OutputOf<Output>;

type Undo<Out, Context> = (output: Out, ctx: StepContext<Context>) => unknown;
export type Compensation<Out, Context> = Undo<Out, Context> | (AttemptOptions & { readonly run: Undo<Out, Context> });

/** The outcome of one branch or item under a join that tolerates failures. */
export type Settled<T> =
  | { readonly status: "fulfilled"; readonly value: T }
  | { readonly status: "rejected"; readonly reason: Failure };

/** Decides after each end of a branch. `name` enters the fingerprint. Default "custom". */
export interface CustomJoin {
  readonly custom: (progress: JoinProgress) => "wait" | "join" | "fail" | TypeProblem<Synchronous>;
  readonly name?: string;
}

/**
 * When a map is done: `all` (default: the first failure cancels the others and fails), `settled` (waits for all),
 * `any` (the first success wins), `{ atLeast: n }` successes, or a function of your own.
 */
export type MapJoin = "all" | "settled" | "any" | { readonly atLeast: number } | CustomJoin;
/**
 * As for a map; besides, `{ critical: [...] }` names branches that must not fail: the first that does cancels the others and
 * fails. The others may fail. A critical branch that `choose` leaves out is not missed.
 */
export type Join = MapJoin | CriticalJoin<string>;
export interface CriticalJoin<Name> {
  readonly critical: readonly Name[];
}

/**
 * How the contexts of branches come together, as changes against the context before, in declared order.
 * Default "context-update": two branches that change one key to different values fail with CONTEXT_CONFLICT, unless a
 * reducer brings them together. Source: Flujo, merge strategies.
 */
export type Merge<Context> =
  | "context-update"
  | "no-merge"
  | "overwrite"
  | "keep-first"
  | "error-on-conflict"
  | {
      /** Only these keys are taken over. Default: all. */
      readonly fields?: readonly (keyof Context & string)[];
      /** By key. Its keys are not type-checked against the context: that would make the builder invariant in it. */
      readonly reducers?: Readonly<Record<string, Reducer>>;
    }
  | {
      /** Gives the context that follows. Synchronous. */
      readonly custom: (before: Context, children: readonly Context[]) => unknown;
      /** Enters the fingerprint. Default "custom". */
      readonly name?: string;
    };

export interface ParallelOptions<Value, Context, How, Picked> {
  /** How many branches are open at once. Default: all. */
  readonly concurrency?: number;
  /** Default "all". */
  readonly join?: How | CustomJoin; // named apart so that its function has a contextual type
  readonly merge?: Merge<Context>;
  /** Which branches run at all; recorded once. Default: all. */
  readonly choose?: (value: Value, view: View<Context>) => readonly Picked[] | TypeProblem<Synchronous>;
}

export interface MapOptions<Context, How> {
  /** How many items are open at once. Default 10. */
  readonly concurrency?: number;
  /** Default "all". */
  readonly join?: How | CustomJoin; // named apart so that its function has a contextual type
  readonly merge?: Merge<Context>;
}

export interface LoopOptions<Value, Context> {
  /** Asked after each iteration, with what it gave. True ends the loop. */
  readonly until: (value: Value, view: View<Context>) => boolean | TypeProblem<Synchronous>;
  /** Bound of iterations, at most 1,000,000. Reaching it fails with LOOP_LIMIT. */
  readonly max: number;
}

export interface WhileOptions {
  /** Bound of iterations, at most 1,000,000. Reaching it fails with LOOP_LIMIT. */
  readonly max: number;
}

export interface WaitOptions<Value, Context, Late> {
  /** How long to wait. Default: for ever. Recorded when the wait begins. */
  readonly deadline?: Duration | ((value: Value, view: View<Context>) => Duration | TypeProblem<Synchronous>);
  /** What a passed deadline gives. Without it the wait fails with DEADLINE_EXCEEDED: silence is never an answer. */
  readonly onTimeout?: (value: Value, view: View<Context>) => Late;
}

export interface SignalOptions<Value, Context, Data extends Schema, Late> extends WaitOptions<Value, Context, Late> {
  /** Checked when the signal is sent; wrong data is refused with SIGNAL_INVALID and nothing is delivered. */
  readonly schema?: Data;
}

export interface HumanOptions<Value, Context, Answer extends Schema, Late> extends WaitOptions<Value, Context, Late> {
  /** The question as text. Give either `message` or `question`. */
  readonly message?: string | ((value: Value, view: View<Context>) => string | TypeProblem<Synchronous>);
  /** The question as data, for a form or a dashboard. */
  readonly question?: (value: Value, view: View<Context>) => unknown;
  /** Checked when the answer is given; a wrong one is refused with ANSWER_INVALID and the run stays paused. */
  readonly answer?: Answer;
}

export interface CallOptions<Value, Context, Input> {
  readonly input: (value: Value, view: View<Context>) => Input | TypeProblem<Synchronous>;
}

export interface CallManyOptions<Value, Context, Input> {
  /** One input for each child run. */
  readonly inputs: (value: Value, view: View<Context>) => readonly Input[] | TypeProblem<Synchronous>;
}
