import type { NodePath } from "../domain/ids.ts";
import type { RetryPolicy } from "../domain/retry.ts";
import type { Schema } from "../domain/schema.ts";
import type { Around } from "./around.ts";

/**
 * The intermediate representation: a closed union of frozen plain objects. Every face of flujo (builder, step library,
 * blueprint) is lowered into these eight kinds; every reader is an exhaustive `switch` without `default`.
 *
 * `label` is the construct the author wrote ("if", "switch", "map", "sleep"…): for display and errors, never for decisions.
 * Functions here have lost their types; the builder has checked them.
 */
export type Node = StepNode | SequenceNode | BranchNode | LoopNode | ForkNode | WaitNode | CallNode | AttemptNode;

interface NodeBase {
  readonly id: string;
  readonly path: NodePath;
  readonly label: string;
}

/** What a predicate or selector may look at besides the flowing value. Everything in it is a fresh copy. */
export interface View {
  readonly context: unknown;
  /** Finished iterations of the nearest loop; 0 outside loops. */
  readonly iteration: number;
}

/** Synchronous and pure: the planner may call it again after a crash, but never once its outcome is recorded. */
export type Pure<Out> = (value: unknown, view: View) => Out;

/** The function of a step. `ctx` is the worker's business. */
export type StepFunction = (input: unknown, ctx: never) => unknown;

export interface StepConfig {
  readonly retry: RetryPolicy;
  /** Per attempt, in milliseconds. */
  readonly timeoutMs?: number;
  readonly queue?: string;
  /** Larger is sooner. Default 0. */
  readonly priority?: number;
  /** Whose the work is: its lane in a queue with rules. Recorded once, before the first attempt. */
  readonly key?: Pure<string>;
  /** Runs inside a transaction of the store: what it writes and its completion are committed together. */
  readonly transactional?: true;
  /** Asks for what its run has recorded, to go on from there. Not part of the fingerprint: nothing that is stored depends on it. */
  readonly readsJournal?: true;
}

export interface StepNode extends NodeBase {
  readonly kind: "step";
  readonly run: StepFunction;
  readonly config: StepConfig;
  readonly input?: Schema;
  readonly output?: Schema;
  readonly around?: Around;
  /** Undoes the step when a later one fails: called with the step's output. */
  readonly compensate?: { readonly run: StepFunction; readonly config: StepConfig };
}

export interface SequenceNode extends NodeBase {
  readonly kind: "sequence";
  readonly children: readonly Node[];
}

/** Runs the case that `select` names; without such a case `otherwise`; without that, passes its input through. */
export interface BranchNode extends NodeBase {
  readonly kind: "branch";
  readonly select: Pure<string>;
  readonly cases: Readonly<Record<string, Node>>;
  readonly otherwise?: Node;
}

/**
 * `until`: the body runs, then `test` says whether to stop. `while`: `test` says whether the body runs (again).
 * `times`: the body runs `max` times. The first two fail with LOOP_LIMIT when `max` iterations did not end them.
 */
export interface LoopNode extends NodeBase {
  readonly kind: "loop";
  readonly mode: "until" | "while" | "times";
  readonly test?: Pure<boolean>;
  readonly max: number;
  readonly body: Node;
}

export interface ForkNode extends NodeBase {
  readonly kind: "fork";
  readonly children:
    | {
        readonly kind: "branches";
        readonly branches: Readonly<Record<string, Node>>;
        readonly choose?: Pure<readonly string[]>;
      }
    | { readonly kind: "map"; readonly body: Node; readonly items?: Pure<Iterable<unknown>> }; // absent: the flowing value itself
  /** How many child fibers are open at once. */
  readonly concurrency: number;
  readonly join: JoinPolicy;
  readonly merge: MergeStrategy;
}

/** When the children of a fork are done, and well. */
export type JoinPolicy =
  | { readonly kind: "all" } // the first failure cancels the others and fails the fork
  | { readonly kind: "settled" } // always waits for all; outputs tell success from failure
  | { readonly kind: "any" } // the first success wins and cancels the others
  | { readonly kind: "atLeast"; readonly count: number } // that many successes; the rest is cancelled
  | { readonly kind: "critical"; readonly names: readonly string[] } // none of these may fail; one not chosen does not
  | {
      readonly kind: "custom";
      readonly name: string;
      readonly decide: (progress: JoinProgress) => "wait" | "join" | "fail";
    };

export interface JoinProgress {
  readonly total: number;
  readonly ended: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly latest: { readonly ordinal: number; readonly name: string; readonly succeeded: boolean };
}

/** How the contexts of children come together, as deltas against the context before the fork, in declared order. */
export type MergeStrategy =
  | {
      readonly kind: "context-update";
      readonly fields?: readonly string[];
      readonly reducers?: Readonly<Record<string, Reducer>>;
    }
  | { readonly kind: "no-merge" }
  | { readonly kind: "overwrite" }
  | { readonly kind: "keep-first" }
  | { readonly kind: "error-on-conflict" }
  | {
      readonly kind: "custom";
      readonly name: string;
      readonly merge: (before: unknown, children: readonly unknown[]) => unknown;
    };

export type Reducer = "sum" | "append" | "union" | "max" | "min" | "keepFirst";

/** Signals, human answers and timers. `deadlineMs` and `untilMs` may depend on the value; they are recorded once. */
export interface WaitNode extends NodeBase {
  readonly kind: "wait";
  readonly wait:
    | {
        readonly kind: "signal";
        readonly names: readonly string[];
        readonly schemas: Readonly<Record<string, Schema>>;
        readonly named: boolean;
      }
    | {
        readonly kind: "human";
        readonly question: Pure<unknown>;
        readonly answer?: Schema;
        /** Why an answer is not one to this question; undefined = it is. */
        readonly check?: (answer: unknown, question: unknown) => string | undefined;
        /** What the wait gives, of the answer and the value that flowed in. Default: the answer. */
        readonly take?: (answer: unknown, value: unknown) => unknown;
      }
    | { readonly kind: "sleep"; readonly forMs: Pure<number> }
    | { readonly kind: "sleepUntil"; readonly at: Pure<Date | number> };
  readonly deadlineMs?: Pure<number>;
  /** What a passed deadline yields. Without it the wait fails with DEADLINE_EXCEEDED: silence is never an answer. */
  readonly onTimeout?: Pure<unknown>;
}

export interface FlowRef {
  readonly name: string;
  readonly version: string;
  readonly fingerprint: string;
}

/** Runs another flow as child runs with runs of their own. `single` passes one input and yields one output. */
export interface CallNode extends NodeBase {
  readonly kind: "call";
  readonly flow: FlowRef;
  readonly inputs: Pure<unknown>;
  readonly single: boolean;
  /** `none` = detached: yields the ids of the children at once. */
  readonly wait: "all" | "any" | "none";
  /** A step of this flow in a run of its own: detached, begins with a copy of the caller's context; the caller's value flows on. */
  readonly background?: true;
}

/**
 * Runs `body`. When it fails: compensates the finished steps of the body, newest first, if `compensate`; then `handler`
 * (with the body's input for `fallback`, with `{ error, input }` for `catch`), else fails on.
 */
export interface AttemptNode extends NodeBase {
  readonly kind: "attempt";
  readonly body: Node;
  readonly compensate: boolean;
  readonly handler?: { readonly kind: "fallback" | "catch"; readonly node: Node };
}
