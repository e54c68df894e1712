import type { Fact, Undo } from "../domain/event.ts";
import type { Failure } from "../domain/failure.ts";
import { type FiberKey, placeOf, type RunId } from "../domain/ids.ts";
import type { Allowance, Held, Leaving, Spending } from "../domain/quota.ts";
import type { EndStatus } from "../domain/run.ts";
import type { Issue } from "../domain/schema.ts";
import type { Wire } from "../domain/wire.ts";
import type { Definition } from "../definition/definition.ts";
import { apply } from "./apply.ts";
import { Draft } from "./draft.ts";
import type { Fiber } from "./fiber.ts";

/** What the world reports to the planner. */
export type Happened =
  | { readonly type: "began" }
  | {
      readonly type: "step.succeeded";
      readonly output: Wire;
      readonly context?: Wire;
      readonly startedAt: number;
      readonly cacheHit?: true;
      readonly settled?: readonly Settled[];
    }
  | {
      readonly type: "step.failed";
      readonly failure: Failure;
      readonly retryable: boolean;
      readonly retryAfterMs?: number;
      readonly startedAt: number;
      readonly settled?: readonly Settled[];
    }
  /** A step that runs reserves, before it spends; what it has spent so far comes along. */
  | { readonly type: "spending"; readonly settled: readonly Settled[]; readonly reserve?: Held }
  | { readonly type: "answered"; readonly message: MessageRef; readonly output: Wire }
  | { readonly type: "answer.rejected"; readonly message: MessageRef; readonly issues: readonly Issue[] }
  | { readonly type: "children.ended"; readonly ends: readonly ChildEnd[] }
  | { readonly type: "gathered"; readonly results: readonly GatheredChild[] }
  | { readonly type: "collected"; readonly results: readonly CollectedRun[] }
  | { readonly type: "checked"; readonly output: Wire }
  | { readonly type: "refused"; readonly failure: Failure } // the output schema said no
  | { readonly type: "started" } // child runs, with the transition that records it
  | { readonly type: "start.refused"; readonly failure: Failure } // a child run's input does not satisfy its flow
  | { readonly type: "due" }
  | { readonly type: "disturbed" } // the mailbox changed while it was planned: park, and be told what is in it now
  /** `settled`: what the attempt that it stopped has spent. */
  | { readonly type: "cancelled"; readonly reason: string; readonly settled?: readonly Settled[] }
  | { readonly type: "broken"; readonly failure: Failure; readonly settled?: readonly Settled[] }; // it cannot go on here: lost workers, a value that is gone

/** The end of a reservation. */
export interface Settled {
  readonly id: string;
  readonly spent: Spending;
  readonly lost?: true;
}

export interface MessageRef {
  readonly seq: number;
  readonly id: string;
  readonly name: string;
}

/** The end of a child fiber or child run, as its parent's mailbox holds it. */
export interface ChildEnd {
  /** Of the message that told it; absent when the child's record did. */
  readonly seq?: number;
  readonly ordinal: number;
  readonly outcome: EndStatus;
  readonly failure?: Failure;
  /** What it did not spend of its slice, and what it spent. */
  readonly quota?: Leaving;
}

export interface GatheredChild {
  readonly ordinal: number;
  readonly outcome: EndStatus;
  readonly value: Wire;
  readonly context: Wire;
  readonly undo: readonly Undo[];
  readonly failure?: Failure;
}

export interface CollectedRun {
  readonly ordinal: number;
  readonly outcome: EndStatus;
  readonly output: Wire;
  readonly failure?: Failure;
}

/** Time, chance and identity are arguments: the planner reads no clock. */
export interface PlanContext {
  readonly now: number;
  /** Uniform in [0, 1). */
  readonly random: number;
  readonly run: RunId;
  readonly fiber: FiberKey;
}

/** What shall happen besides the fiber's own next state; part of the same commit. */
export interface Effects {
  readonly spawn: {
    readonly fork: number;
    readonly from: number;
    readonly to: number;
    readonly slices?: readonly Allowance[];
  }[];
  readonly consume: number[];
  /** Messages that would have to be heard first: a wait does not time out while one is there. */
  unless?: readonly string[];
  readonly cancelRuns: { readonly run: RunId; readonly reason: string }[];
  cancelFork?: { readonly fork: number; readonly reason: string };
  dropFork?: number;
  acknowledgeCancel?: boolean;
}

export interface Plan {
  readonly after: Fiber;
  readonly facts: readonly Fact[];
  readonly effects: Effects;
  /** When it was decided: deadlines and delays are counted from there, and a replay counts them again. */
  readonly now: number;
}

/** One planning in progress: facts are recorded and applied in one move, so they can never disagree. */
export class Planning {
  readonly definition: Definition;
  readonly draft: Draft;
  readonly at: PlanContext;
  readonly facts: Fact[] = [];
  readonly effects: Effects = { spawn: [], consume: [], cancelRuns: [] };

  constructor(definition: Definition, before: Fiber, at: PlanContext) {
    this.definition = definition;
    this.draft = new Draft(definition, before);
    this.at = at;
  }

  record(fact: Fact): void {
    this.facts.push(fact);
    apply(this.draft, fact);
  }

  fail(at: { readonly path: string; readonly visit: string }, what: Failure): void {
    const { path, visit } = at;
    this.record({
      type: "node.failed",
      path,
      visit,
      failure: what.at === undefined ? { ...what, at: placeOf(path, visit) } : what,
    });
  }
}
