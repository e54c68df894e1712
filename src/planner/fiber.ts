import type { Undo } from "../domain/event.ts";
import type { Failure } from "../domain/failure.ts";
import type { PauseToken } from "../domain/ids.ts";
import type { EndStatus } from "../domain/run.ts";
import type { Allowance, Quota } from "../domain/quota.ts";
import { NO_CONTEXT, UNDEFINED, type Wire } from "../domain/wire.ts";

/**
 * One sequential line of execution. `frames` is the stack of open composite nodes, root first; `doing` is what happens at its
 * tip. The flowing value is the input of whatever `doing` names and is not touched until that is over.
 */
export interface Fiber {
  /** The first fiber of its run, which ends it; children report to the fiber that forked them. */
  readonly root: boolean;
  readonly frames: readonly Frame[];
  readonly doing: Doing;
  readonly value: Wire;
  readonly context: Wire;
  readonly aside: Aside;
  /** Forks, waits and calls opened so far, and children created so far: the source of ids that no later one shares. */
  readonly counters: Counters;
  /** Finished iterations of the nearest loop around the fork that this fiber came from. */
  readonly iteration: number;
  readonly queue: string;
  readonly priority: number;
  /** The key of the run: a tenant, an account. */
  readonly lane?: string;
  readonly deadlineAt?: number;
  readonly cancelling?: string;
  /** Its slice of what the run may spend. Absent until there is a limit, or something was spent. */
  readonly quota?: Quota;
}

export interface Counters {
  readonly forks: number;
  readonly children: number;
  readonly waits: number;
  readonly calls: number;
}

/** Values that must outlive the flowing one; written only when they change. */
export interface Aside {
  /** Inputs of open attempts that have a handler, by `path#visit`. */
  readonly held: { readonly [place: string]: Wire };
  /** Finished steps with a compensation, oldest first. */
  readonly undo: readonly Undo[];
}

interface Place {
  readonly path: string;
  readonly visit: string;
}

export type Frame = SequenceFrame | BranchFrame | LoopFrame | ForkFrame | AttemptFrame | UndoFrame;

export interface SequenceFrame extends Place {
  readonly kind: "sequence";
  readonly at: number;
}
export interface BranchFrame extends Place {
  readonly kind: "branch";
}
export interface LoopFrame extends Place {
  readonly kind: "loop";
  /** Iterations started. */
  readonly iteration: number;
}
export interface ForkFrame extends Place {
  readonly kind: "fork";
  readonly fork: number;
  /** Number of the first child among all children of this fiber. */
  readonly base: number;
  readonly total: number;
  /** Chosen branches, when not all. */
  readonly names?: readonly string[];
  readonly opened: number;
  readonly ended: number;
  readonly succeeded: number;
  readonly verdict?: "join" | "fail";
  readonly winner?: number;
  readonly failure?: Failure;
}
export interface AttemptFrame extends Place {
  readonly kind: "attempt";
  readonly phase: "body" | "undoing" | "handler";
  /** Undo entries older than this belong to outer scopes. */
  readonly undoFrom: number;
  readonly failure?: Failure;
  /** A compensation of this attempt failed: its own, not that of an attempt inside it. It has no fallback then. */
  readonly undoFailed?: true;
}
/** Compensation of a whole run that failed or was cancelled. */
export interface UndoFrame extends Place {
  readonly kind: "undo";
  readonly ending: Ending;
}

export interface Ending {
  readonly outcome: EndStatus;
  readonly failure?: Failure;
}

export type Doing =
  | ({ readonly kind: "new" } & Place)
  | ({
      readonly kind: "step";
      readonly attempt: number;
      readonly dueAt?: number;
      /** Its own key, asked for once. */
      readonly lane?: string;
    } & Place)
  | ({ readonly kind: "undo"; readonly attempt: number; readonly dueAt?: number } & Place) // the newest undo entry
  | ({
      readonly kind: "wait";
      readonly wait: "human" | "signal" | "timer";
      readonly number: number;
      readonly names: readonly string[];
      readonly token?: PauseToken;
      readonly question?: Wire;
      readonly deadlineAt?: number;
    } & Place)
  | ({ readonly kind: "join"; readonly fork: number } & Place)
  | ({
      readonly kind: "call";
      readonly call: number;
      readonly total: number;
      /** Child runs whose end has been taken in. By ordinal: in a revived run the same end may be told twice. */
      readonly ended: readonly number[];
      readonly wait: "all" | "any";
    } & Place)
  | ({ readonly kind: "decide" } & Place) // only while planning: a user's function must be asked
  | ({ readonly kind: "gather"; readonly fork: number } & Place) // only while planning: the children's results are needed
  | ({ readonly kind: "collect"; readonly call: number; readonly ordinals: readonly number[] } & Place) // likewise, of child runs
  | ({
      readonly kind: "starting";
      readonly call: number;
      readonly inputs: readonly Wire[];
      readonly slices?: readonly Allowance[];
    } & Place) // likewise: inputs are checked
  | { readonly kind: "finish"; readonly ending: Ending } // only while planning: the stack is empty
  | { readonly kind: "ended"; readonly ending: Ending };

export const firstAttempt = ({ path, visit }: Place): Extract<Doing, { kind: "step" }> => ({
  kind: "step",
  path,
  visit,
  attempt: 1,
});

/** Finished iterations of the nearest loop; 0 outside loops. */
export function iterationOf({ frames, iteration }: Pick<Fiber, "frames" | "iteration">): number {
  for (let i = frames.length - 1; i >= 0; i--) {
    const frame = frames[i];
    if (frame?.kind === "loop") return frame.iteration;
  }
  return iteration;
}

export const NOTHING_ASIDE: Aside = Object.freeze({ held: Object.freeze({}), undo: Object.freeze([]) });
const NO_COUNTERS: Counters = Object.freeze({ forks: 0, children: 0, waits: 0, calls: 0 });

/** A fiber that has not begun: it will enter the node at `path`. */
export function newFiber(
  at: Place,
  start: Partial<
    Pick<Fiber, "root" | "value" | "context" | "iteration" | "queue" | "priority" | "lane" | "deadlineAt" | "quota">
  >,
): Fiber {
  return {
    root: start.root ?? false,
    frames: [],
    doing: { kind: "new", path: at.path, visit: at.visit },
    // Null is a value: only what is absent is replaced.
    value: start.value === undefined ? UNDEFINED : start.value,
    context: start.context === undefined ? NO_CONTEXT : start.context,
    aside: NOTHING_ASIDE,
    counters: NO_COUNTERS,
    iteration: start.iteration ?? 0,
    queue: start.queue ?? "default",
    priority: start.priority ?? 0,
    ...(start.lane !== undefined && { lane: start.lane }),
    ...(start.deadlineAt !== undefined && { deadlineAt: start.deadlineAt }),
    ...(start.quota !== undefined && { quota: start.quota }),
  };
}
