import type { Failure } from "./failure.ts";
import type { FiberKey, PauseToken, RunId } from "./ids.ts";
import type { Allowance, Held, Leaving, Spending } from "./quota.ts";
import type { EndStatus } from "./run.ts";
import type { Issue } from "./schema.ts";
import type { Wire } from "./wire.ts";

/**
 * The facts of a run's history: immutable, complete and sufficient. Folding them gives the stored state, without asking any
 * user function again. A stored name is for ever.
 */
export type Fact =
  | {
      readonly type: "run.started";
      readonly input: Wire;
      readonly context: Wire;
      readonly deadlineAt?: number;
      readonly queue?: string;
      readonly priority?: number;
      readonly lane?: string;
      readonly limits?: Allowance;
      /** Of a child run: its share of them. */
      readonly slice?: Allowance;
    }
  | { readonly type: "run.retried"; readonly from: number }
  | {
      readonly type: "run.forked";
      readonly from: string;
      readonly at: number;
      readonly value?: Wire;
      /** The fiber that the value is for, when it is not the root: that of the event after which the new run begins. */
      readonly target?: FiberKey;
    }
  | ({ readonly type: "step.keyed"; readonly lane: string } & Place)
  | ({
      readonly type: "step.completed";
      readonly attempt: number;
      readonly startedAt: number;
      readonly output: Wire;
      readonly context?: Wire;
      /** The output was kept from before: the step did not run. */
      readonly cacheHit?: true;
    } & Place)
  | ({
      readonly type: "step.failed";
      readonly attempt: number;
      readonly startedAt: number;
      readonly failure: Failure;
      readonly retryAt?: number;
    } & Place)
  | { readonly type: "quota.reserved"; readonly amount: Held }
  /**
   * `id`: the number of the reservation, or none where there was no limit to reserve from. `lost`: the worker that reserved was
   * lost, and nobody knows what it spent.
   */
  | { readonly type: "quota.settled"; readonly id: string; readonly spent: Spending; readonly lost?: true }
  | ({ readonly type: "branch.chosen"; readonly key: string; readonly taken: "case" | "otherwise" | "none" } & Place)
  | ({ readonly type: "loop.decided"; readonly iteration: number; readonly again: boolean } & Place)
  | ({
      readonly type: "fork.opened";
      readonly fork: number;
      readonly total: number;
      readonly names?: readonly string[];
      readonly items?: Wire;
    } & Place)
  | {
      readonly type: "fork.spawned";
      readonly fork: number;
      readonly from: number;
      readonly to: number;
      readonly slices?: readonly Allowance[];
    }
  | {
      readonly type: "fork.child_ended";
      readonly fork: number;
      readonly ordinal: number;
      readonly outcome: EndStatus;
      readonly failure?: Failure;
      readonly quota?: Leaving;
    }
  | {
      readonly type: "fork.decided";
      readonly fork: number;
      readonly verdict: "join" | "fail";
      readonly winner?: number;
      readonly failure?: Failure;
    }
  | ({
      readonly type: "fork.joined";
      readonly fork: number;
      readonly output: Wire;
      readonly context?: Wire;
      readonly undo: readonly Undo[];
    } & Place)
  | ({
      readonly type: "fork.failed";
      readonly fork: number;
      readonly failure?: Failure;
      readonly undo: readonly Undo[];
    } & Place)
  | ({ readonly type: "wait.opened" } & WaitOpened & Place)
  | ({ readonly type: "wait.answered"; readonly name: string; readonly message: string; readonly output: Wire } & Place)
  | ({
      readonly type: "wait.rejected";
      readonly name: string;
      readonly message: string;
      readonly issues: readonly Issue[];
    } & Place)
  | ({ readonly type: "wait.timed_out"; readonly output: Wire } & Place)
  | ({ readonly type: "timer.fired" } & Place)
  | ({
      readonly type: "call.started";
      readonly call: number;
      readonly runs: readonly RunId[];
      readonly inputs: Wire;
      readonly wait: "all" | "any" | "none";
      readonly slices?: readonly Allowance[];
      /** A step that goes on in the background, as a run of its own. */
      readonly launched?: { readonly status: "BackgroundLaunched"; readonly taskId: RunId; readonly step: string };
    } & Place)
  | {
      readonly type: "call.child_ended";
      readonly call: number;
      readonly ordinal: number;
      readonly outcome: EndStatus;
      readonly failure?: Failure;
      readonly quota?: Leaving;
    }
  | ({ readonly type: "call.completed"; readonly output: Wire } & Place)
  | ({ readonly type: "node.failed"; readonly failure: Failure } & Place)
  | ({ readonly type: "undo.completed"; readonly attempt: number; readonly startedAt: number } & Place)
  | ({
      readonly type: "undo.failed";
      readonly attempt: number;
      readonly startedAt: number;
      readonly failure: Failure;
      readonly retryAt?: number;
    } & Place)
  | { readonly type: "cancel.requested"; readonly reason: string }
  | { readonly type: "output.checked"; readonly output: Wire }
  | { readonly type: "fiber.ended"; readonly outcome: EndStatus; readonly failure?: Failure };

export type FactType = Fact["type"];

interface Place {
  readonly path: string;
  readonly visit: string;
}

export interface WaitOpened {
  readonly wait: "human" | "signal" | "timer";
  /** Number of the wait within its fiber. */
  readonly number: number;
  readonly names: readonly string[];
  readonly token?: PauseToken;
  readonly question?: Wire;
  readonly deadlineAt?: number;
}

/** A finished step that knows how to be undone. */
export interface Undo extends Place {
  readonly output: Wire;
}

/** A fact with its place in the history of its run. */
export type HistoryEvent = Fact & {
  /** Position of the transition that recorded it; the facts of one transition share it. */
  readonly seq: number;
  readonly at: number;
  readonly fiber: string;
  readonly worker?: string;
};

/** Message names inside the engine. A user's signal can never look like one of the engine's own. */
export const messageName: {
  readonly signal: (name: string) => string;
  readonly answer: (token: string) => string;
  readonly join: (fiber: string, fork: number) => string;
  readonly call: (fiber: string, call: number) => string;
} = {
  signal: (name) => `signal:${name}`,
  answer: (token) => `answer:${token}`,
  join: (fiber, fork) => `join:${fiber}:${fork}`,
  call: (fiber, call) => `call:${fiber}:${call}`,
};
export const signalNameOf = (name: string): string => (name.startsWith("signal:") ? name.slice(7) : name);
