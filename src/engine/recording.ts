import type { Fact } from "../domain/event.ts";
import { FlujoError } from "../domain/errors.ts";
import { type FiberKey, placeOf, ROOT_FIBER } from "../domain/ids.ts";
import type { CallNode } from "../definition/node.ts";
import type { Doing } from "../planner/fiber.ts";
import type { CollectedRun, Happened, Settled } from "../planner/planning.ts";
import type { Wire } from "../domain/wire.ts";
import type { Row } from "./rebuild.ts";

type StepDoing = Extract<Doing, { kind: "step" | "undo" }>;
type WaitDoing = Extract<Doing, { kind: "wait" }>;
type CallDoing = Extract<Doing, { kind: "call" }>;
type CollectDoing = Extract<Doing, { kind: "collect" }>;
type Started = Extract<Fact, { type: "run.started" }>;

/** What says that a history goes on from somewhere: it is one history all the same. */
const STARTED_ANEW: ReadonlySet<Fact["type"]> = new Set<Fact["type"]>(["run.retried", "run.forked"]);

interface Told {
  readonly fact: Fact;
  readonly at: number;
}

/** The history of a run as answers to what a replay asks: by line of execution, place and attempt, in the order they came. */
export class Recording {
  readonly #told = new Map<FiberKey, Told[]>();
  /** How many facts of a line have been given out: reservations and rejections come in their order. */
  readonly #given = new Map<FiberKey, Set<Fact>>();

  constructor(rows: readonly Row[]) {
    for (const { fiber, at, facts } of rows) {
      const told = this.#told.get(fiber) ?? [];
      for (const fact of facts) if (!STARTED_ANEW.has(fact.type)) told.push({ fact, at });
      this.#told.set(fiber, told);
    }
  }

  get fibers(): Iterable<FiberKey> {
    return this.#told.keys();
  }

  first(): Started {
    const fact = this.#told.get(ROOT_FIBER)?.[0]?.fact;
    if (fact?.type === "run.started") return fact;
    throw new FlujoError("REPLAY_MISSING", "the record does not tell how the run began");
  }

  factsOf(key: FiberKey): readonly Fact[] {
    return (this.#told.get(key) ?? []).map(({ fact }) => fact);
  }

  /** When the line recorded its next fact, after so many: deadlines are counted from there. */
  timeAfter(key: FiberKey, facts: number): number {
    const told = this.#told.get(key) ?? [];
    return told[facts]?.at ?? told.at(-1)?.at ?? 0;
  }

  #isGiven(key: FiberKey, fact: Fact): boolean {
    return this.#given.get(key)?.has(fact) ?? false;
  }

  #give<F extends Fact>(key: FiberKey, fact: F): F {
    const given = this.#given.get(key) ?? new Set<Fact>();
    this.#given.set(key, given.add(fact));
    return fact;
  }

  #find<Type extends Fact["type"]>(
    key: FiberKey,
    types: readonly Type[],
    fits: (fact: Extract<Fact, { type: Type }>) => boolean,
  ): Extract<Fact, { type: Type }> | undefined {
    for (const { fact } of this.#told.get(key) ?? []) {
      if ((types as readonly string[]).includes(fact.type) && !this.#isGiven(key, fact) && fits(fact as never))
        return fact as Extract<Fact, { type: Type }>;
    }
    return undefined;
  }

  /** What became of an attempt, and before that what it reserved; else why the line ended there. */
  outcome(key: FiberKey, doing: StepDoing): Happened {
    const { path, visit, attempt } = doing;
    const here = (fact: { readonly path: string; readonly visit: string }): boolean =>
      fact.path === path && fact.visit === visit;
    const types =
      doing.kind === "step"
        ? (["step.completed", "step.failed"] as const)
        : (["undo.completed", "undo.failed"] as const);
    const found = this.#find(key, types, (fact) => here(fact) && fact.attempt === attempt);
    const spending = this.#spending(key, found);
    if (spending?.reserve !== undefined) return spending;
    const settled = spending?.settled ?? [];
    if (found === undefined) {
      const broken = this.#find(key, ["node.failed"], here);
      if (broken !== undefined) return { type: "broken", failure: this.#give(key, broken).failure };
      const cancelled = this.cancelled(key);
      if (cancelled !== undefined) return cancelled;
      throw new FlujoError(
        "REPLAY_MISSING",
        `the record has no answer for ${placeOf(path, visit)} attempt ${attempt}`,
        {
          at: placeOf(path, visit),
          details: { path, visit, attempt },
        },
      );
    }
    this.#give(key, found);
    const { startedAt } = found;
    if (found.type === "step.completed") {
      const { output, context } = found;
      return { type: "step.succeeded", output, startedAt, settled, ...(context !== undefined && { context }) };
    }
    if (found.type === "undo.completed") return { type: "step.succeeded", output: null, startedAt, settled };
    const { failure, retryAt } = found;
    const again = retryAt !== undefined && { retryAfterMs: retryAt - this.#at(key, found) };
    return { type: "step.failed", failure, retryable: retryAt !== undefined, startedAt, settled, ...again };
  }

  #at(key: FiberKey, fact: Fact): number {
    return this.#told.get(key)?.find((one) => one.fact === fact)?.at ?? 0;
  }

  /** Reservations and settlements that come before an outcome, one transition at a time. */
  #spending(key: FiberKey, before: Fact | undefined): Extract<Happened, { type: "spending" }> | undefined {
    const settled: Settled[] = [];
    for (const { fact } of this.#told.get(key) ?? []) {
      if (fact === before) break;
      if (this.#isGiven(key, fact)) continue;
      if (fact.type === "quota.settled") {
        this.#give(key, fact);
        settled.push({ id: fact.id, spent: fact.spent });
      } else if (fact.type === "quota.reserved") {
        this.#give(key, fact);
        return { type: "spending", settled, reserve: fact.amount };
      }
    }
    return settled.length === 0 ? undefined : { type: "spending", settled };
  }

  /** What ended a wait, or was refused by it; undefined: nothing had come when the record was made. */
  answer(key: FiberKey, { path, visit }: WaitDoing): Happened | undefined {
    const types = ["wait.rejected", "wait.answered", "wait.timed_out", "timer.fired", "node.failed"] as const;
    const found = this.#find(key, types, (fact) => fact.path === path && fact.visit === visit);
    if (found === undefined) return this.cancelled(key);
    this.#give(key, found);
    switch (found.type) {
      case "wait.rejected":
        return { type: "answer.rejected", message: messageOf(found), issues: found.issues };
      case "wait.answered":
        return { type: "answered", message: messageOf(found), output: found.output };
      case "wait.timed_out":
      case "timer.fired":
        return { type: "due" };
      case "node.failed":
        return { type: "broken", failure: found.failure };
    }
  }

  callEnd(key: FiberKey, { call, path, visit }: CallDoing): Happened | undefined {
    const end = this.#find(key, ["call.child_ended"], (fact) => fact.call === call);
    if (end !== undefined) {
      const { ordinal, outcome, failure, quota } = this.#give(key, end);
      return {
        type: "children.ended",
        ends: [{ ordinal, outcome, ...(failure && { failure }), ...(quota && { quota }) }],
      };
    }
    const broken = this.#find(key, ["node.failed"], (fact) => fact.path === path && fact.visit === visit);
    if (broken !== undefined) return { type: "broken", failure: this.#give(key, broken).failure };
    return this.cancelled(key);
  }

  /** Outputs of child runs are in the record of their caller. */
  collected(key: FiberKey, { path, visit, ordinals }: CollectDoing, { single, wait }: CallNode): Happened {
    const found = this.#find(key, ["call.completed"], (fact) => fact.path === path && fact.visit === visit);
    const output: Wire = found === undefined ? null : this.#give(key, found).output;
    const one = (ordinal: number, value: Wire): CollectedRun => ({ ordinal, outcome: "completed", output: value });
    const [first = 0] = ordinals;
    if (single) return { type: "collected", results: [one(first, output)] };
    if (wait === "any") return { type: "collected", results: [one(first, (output as unknown as First).output)] };
    return {
      type: "collected",
      results: ordinals.map((ordinal, i) => one(ordinal, (output as readonly Wire[])[i] ?? null)),
    };
  }

  /** In which order the ends of a fork's children were heard. */
  endsOf(key: FiberKey, fork: number): readonly number[] {
    return this.factsOf(key).flatMap((fact) =>
      fact.type === "fork.child_ended" && fact.fork === fork ? [fact.ordinal] : [],
    );
  }

  /** The request to stop that the line heard, once. */
  cancelled(key: FiberKey): Extract<Happened, { type: "cancelled" }> | undefined {
    const found = this.#find(key, ["cancel.requested"], () => true);
    return found && { type: "cancelled", reason: this.#give(key, found).reason };
  }
}

/** The winner of several, as `callMany` with `any` records it. */
interface First {
  readonly output: Wire;
}

const messageOf = ({
  name,
  message,
}: {
  readonly name: string;
  readonly message: string;
}): {
  readonly seq: number;
  readonly id: string;
  readonly name: string;
} => ({ seq: 0, id: message, name });
