import { sameWire } from "../domain/canonical.ts";
import { type ErrorCode, FlujoError } from "../domain/errors.ts";
import type { Fact } from "../domain/event.ts";
import { failureWire } from "../domain/failure.ts";
import { placeOf } from "../domain/ids.ts";
import type { Wire } from "../domain/wire.ts";
import type { CallNode } from "../definition/node.ts";
import type { Doing } from "../planner/fiber.ts";
import type { ChildEnd, CollectedRun, Happened, Settled } from "../planner/planning.ts";

type At<Kind extends Doing["kind"]> = Extract<Doing, { readonly kind: Kind }>;
type OfType<Type extends Fact["type"]> = Extract<Fact, { readonly type: Type }>;
interface Place {
  readonly path: string;
  readonly visit: string;
}

export interface Told {
  readonly fact: Fact;
  readonly at: number;
  /** Facts of one transition share it: what happened to a line, happened at once. */
  readonly row: number;
}

/** Failures that come from outside a flow: it was at a place, and could not go on there. */
const BROKEN: ReadonlySet<unknown> = new Set<ErrorCode>([
  "WORKER_LOST",
  "RECORD_UNDECODABLE",
  "BLOB_MISSING",
  "RUN_UNKNOWN",
  "RUN_TIMEOUT",
]);

const MONEY: ReadonlySet<Fact["type"]> = new Set<Fact["type"]>(["quota.settled", "quota.reserved"]);

/**
 * What one line of execution recorded. As long as it records the same again, what comes next is known by its position, also when
 * requests to stop and the ends of several children came in between; once it decides otherwise, by place and attempt.
 */
export class Track {
  readonly #told: readonly Told[];
  /** How many facts come before each new beginning of the run. */
  readonly #cuts: readonly (number | undefined)[];
  readonly #given = new Set<Fact>();
  /** What the line records this time, and how much of it, from the start, is as it was. */
  readonly again: Fact[] = [];
  #same = 0;
  /** How many new beginnings the line has behind it. */
  part = 0;

  constructor(told: readonly Told[], cuts: readonly (number | undefined)[] = []) {
    this.#told = told;
    this.#cuts = cuts;
  }

  record(facts: readonly Fact[]): void {
    for (const fact of facts) {
      const expected = this.#isSame ? this.#told[this.#same]?.fact : undefined;
      this.again.push(fact);
      if (expected !== undefined && isEqual(expected, fact)) this.#same += 1;
    }
  }

  get #isSame(): boolean {
    return this.#same === this.again.length;
  }

  /** The first fact that is not what was recorded; undefined: all are, and none is missing. */
  get difference(): { readonly expected: Fact | undefined; readonly found: Fact | undefined } | undefined {
    if (this.#isSame && this.isOver) return undefined;
    return { expected: this.#told[this.#same]?.fact, found: this.again[this.#same] };
  }

  first(): Fact | undefined {
    return this.#told[0]?.fact;
  }

  /** Whether the line has recorded everything that it did before the next new beginning. */
  get hasReachedCut(): boolean {
    return this.again.length >= (this.#cuts[this.part] ?? 0);
  }

  /** Of facts to come, those that were recorded before the next new beginning: what followed them then was decided anew. */
  beforeCut(facts: readonly Fact[]): readonly Fact[] {
    const cut = this.#isSame ? this.#cuts[this.part] : undefined;
    return cut === undefined ? facts : facts.slice(0, cut - this.again.length);
  }

  get isOver(): boolean {
    return this.again.length >= this.#told.length;
  }

  /** When the line recorded its next fact: deadlines are counted from there. */
  get now(): number {
    return (this.#told[this.again.length] ?? this.#told.at(-1))?.at ?? 0;
  }

  /** The rest of the transition that comes next; nothing once the line goes its own way. */
  get next(): readonly Fact[] {
    const facts: Fact[] = [];
    const row = this.#isSame ? this.#told[this.#same]?.row : undefined;
    for (let i = this.#same; row !== undefined; i++) {
      const told = this.#told[i];
      if (told?.row !== row) break;
      facts.push(told.fact);
    }
    return facts;
  }

  /** What comes next that has not to do with money. */
  get #tip(): Fact | undefined {
    return this.next.find(({ type }) => !MONEY.has(type));
  }

  /** A transition that comes next and is about money only: a step that reserves, or what a lost worker had reserved. */
  paid(): Happened | undefined {
    const { next } = this;
    return next.length > 0 && next.every(({ type }) => MONEY.has(type)) ? this.#spending(undefined, next) : undefined;
  }

  /** A line that is about to begin: unless it was stopped there, or could not go on. */
  begun(): Happened {
    const tip = this.#tip;
    if (tip?.type === "cancel.requested") {
      const { settled = [] } = this.#spending(tip, this.next) ?? {};
      return { type: "cancelled", reason: this.#give(tip).reason, settled };
    }
    if (tip?.type === "node.failed" && BROKEN.has(tip.failure.code)) return this.#brokenBy(tip);
    return { type: "began" };
  }

  /** The same of one that is about to decide: in a fork of a run, what the run had reserved there is forfeited first. */
  begunAnew(): Happened {
    const [first] = this.next;
    const forfeited = first?.type === "quota.settled" && first.lost === true;
    return (forfeited ? this.#spending(this.#tip, this.next) : undefined) ?? this.begun();
  }

  /** What became of an attempt, and before that what it reserved; else why the line ended there. */
  outcome(doing: At<"step" | "undo">): Happened {
    const { path, visit, attempt } = doing;
    const stopped = this.#tip?.type === "cancel.requested";
    const types =
      doing.kind === "step"
        ? (["step.completed", "step.failed"] as const)
        : (["undo.completed", "undo.failed"] as const);
    const found = stopped ? undefined : this.#find(types, (fact) => isAt(fact, doing) && fact.attempt === attempt);
    const broken =
      found === undefined && !stopped ? this.#find(["node.failed"], (fact) => isAt(fact, doing)) : undefined;
    const cancel = found ?? broken ?? this.#find(["cancel.requested"]);
    const spending = this.#spending(found ?? broken ?? cancel);
    if (spending?.reserve !== undefined) return spending;
    const settled = spending?.settled ?? [];
    if (found !== undefined) return this.#ended(found, settled);
    if (broken !== undefined) return { type: "broken", failure: this.#give(broken).failure, settled };
    const cancelled = this.cancelled();
    if (cancelled !== undefined) return { ...cancelled, settled };
    if (spending !== undefined) return spending; // of an attempt that a retry put aside
    throw new FlujoError("REPLAY_MISSING", `the record has no answer for ${placeOf(path, visit)} attempt ${attempt}`, {
      at: placeOf(path, visit),
      details: { path, visit, attempt },
    });
  }

  #ended(
    found: OfType<"step.completed" | "step.failed" | "undo.completed" | "undo.failed">,
    settled: readonly Settled[],
  ): Happened {
    this.#give(found);
    const { startedAt } = found;
    if (found.type === "step.completed") {
      const { type: _, path: _path, visit: _visit, attempt: _attempt, ...kept } = found;
      return { ...kept, type: "step.succeeded", settled };
    }
    if (found.type === "undo.completed") return { type: "step.succeeded", output: null, startedAt, settled };
    const { failure, retryAt } = found;
    const at = this.#atOf(found);
    const again = retryAt !== undefined && { retryAfterMs: retryAt - at };
    return { type: "step.failed", failure, retryable: retryAt !== undefined, startedAt, settled, ...again };
  }

  #atOf(found: Fact): number {
    for (let i = this.#same; i < this.#told.length; i++)
      if (this.#told[i]?.fact === found) return this.#told[i]?.at ?? 0;
    return 0;
  }

  /** Reservations and settlements that come before an outcome, one transition at a time. */
  #spending(
    before: Fact | undefined,
    among: Iterable<Fact> = this.#rest(),
  ): Extract<Happened, { type: "spending" }> | undefined {
    const settled: Settled[] = [];
    for (const fact of among) {
      if (fact === before) break;
      if (fact.type === "quota.settled") {
        this.#give(fact);
        const { type: _, ...one } = fact;
        settled.push(one);
      } else if (fact.type === "quota.reserved") {
        this.#give(fact);
        return { type: "spending", settled, reserve: fact.amount };
      }
    }
    return settled.length === 0 ? undefined : { type: "spending", settled };
  }

  /** What ended a wait, or was refused by it; undefined: nothing had come when the record was made. */
  answer(doing: At<"wait">): Happened | undefined {
    if (this.#tip?.type === "cancel.requested") return this.cancelled();
    const types = ["wait.rejected", "wait.answered", "wait.timed_out", "timer.fired", "node.failed"] as const;
    const found = this.#find(types, (fact) => isAt(fact, doing));
    if (found === undefined) return this.cancelled();
    this.#give(found);
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

  /** Why the line did not wait on for its children; undefined: it did. */
  stoppedWaiting(): Happened | undefined {
    const [first] = this.next;
    if (first?.type === "cancel.requested") return this.cancelled();
    if (first?.type === "node.failed") return this.#brokenBy(first);
    const why = first?.type === "fork.decided" ? first.failure : undefined;
    return why && { type: "broken", failure: why };
  }

  /** Ends of children that were heard at once. */
  childEnds(fork: number): readonly number[] {
    return this.next.flatMap((fact) =>
      fact.type === "fork.child_ended" && fact.fork === fork ? [this.#give(fact).ordinal] : [],
    );
  }

  /** The end of a child that is told next, wherever: the line has gone its own way. */
  laterEnd(fork: number, among: ReadonlySet<number>): number | undefined {
    const found = this.#find(["fork.child_ended"], (fact) => fact.fork === fork && among.has(fact.ordinal));
    return found && this.#give(found).ordinal;
  }

  get isToldToStop(): boolean {
    return this.#find(["cancel.requested"]) !== undefined;
  }

  /** Whether what a line waits for was opened anew by a retry, rather than waited on for. */
  opensAgain(doing: Doing): boolean {
    const [first] = this.next;
    return (first?.type === "wait.opened" || first?.type === "call.started") && "path" in doing && isAt(first, doing);
  }

  /** Whether the input of a child run was accepted. */
  started(doing: At<"starting">): Happened {
    const found = this.#find(["call.started", "node.failed"], (fact) => isAt(fact, doing));
    if (found === undefined) return { type: "started" };
    this.#give(found);
    return found.type === "call.started" ? { type: "started" } : { type: "start.refused", failure: found.failure };
  }

  callEnd(doing: At<"call">): Happened | undefined {
    const { call } = doing;
    const first = this.#tip;
    if (first?.type === "cancel.requested") return this.cancelled();
    const together = this.next.flatMap((fact) =>
      fact.type === "call.child_ended" && fact.call === call ? [fact] : [],
    );
    const later = together.length > 0 ? [] : [this.#find(["call.child_ended"], (fact) => fact.call === call)];
    const ends = [...together, ...later].flatMap((fact) => (fact === undefined ? [] : [endIn(this.#give(fact))]));
    if (ends.length > 0) return { type: "children.ended", ends };
    const broken = this.#find(["node.failed"], (fact) => isAt(fact, doing));
    return broken === undefined ? this.cancelled() : this.#brokenBy(broken);
  }

  /** Outputs of child runs are in the record of their caller. */
  collected(doing: At<"collect">, { single, wait }: CallNode): Happened {
    const tip = this.#find(["call.completed", "node.failed"], (fact) => isAt(fact, doing));
    if (tip?.type === "node.failed") return this.#brokenBy(tip);
    const { ordinals } = doing;
    const output: Wire = tip === undefined ? null : this.#give(tip).output;
    const one = (ordinal: number, value: Wire): CollectedRun => ({ ordinal, outcome: "completed", output: value });
    const [first = 0] = ordinals;
    if (single) return { type: "collected", results: [one(first, output)] };
    if (wait === "any") return { type: "collected", results: [one(first, (output as unknown as First).output)] };
    const results = ordinals.map((ordinal, i) => one(ordinal, (output as readonly Wire[])[i] ?? null));
    return { type: "collected", results };
  }

  /** Why results could not be gathered; undefined: they could. */
  notGathered(): Happened | undefined {
    const [first] = this.next;
    return first?.type === "node.failed" && BROKEN.has(first.failure.code) ? this.#brokenBy(first) : undefined;
  }

  /** The request to stop that the line heard, once. */
  cancelled(): Extract<Happened, { type: "cancelled" }> | undefined {
    const found = this.#find(["cancel.requested"]);
    return found && { type: "cancelled", reason: this.#give(found).reason };
  }

  #brokenBy(fact: OfType<"node.failed">): Happened {
    return { type: "broken", failure: this.#give(fact).failure };
  }

  #give<F extends Fact>(fact: F): F {
    this.#given.add(fact);
    return fact;
  }

  /** What was not recorded again yet, up to the next new beginning: what a retry did is no answer for what was before it. */
  *#rest(): Generator<Fact, undefined, undefined> {
    const end = this.#cuts[this.part] ?? this.#told.length;
    for (let i = this.#same; i < end; i++) {
      const fact = this.#told[i]?.fact;
      if (fact !== undefined && !this.#given.has(fact)) yield fact;
    }
    return undefined;
  }

  #find<Type extends Fact["type"]>(
    types: readonly Type[],
    fits: (fact: OfType<Type>) => boolean = () => true,
  ): OfType<Type> | undefined {
    const isOne = (fact: Fact): fact is OfType<Type> => (types as readonly string[]).includes(fact.type);
    for (const fact of this.#rest()) if (isOne(fact) && fits(fact)) return fact;
    return undefined;
  }
}

/** But for stacks, which say where an error was thrown: a replay throws it elsewhere. */
const isEqual = (a: Fact, b: Fact): boolean => sameWire(plain(a), plain(b));
const plain = (fact: Fact): Wire => JSON.parse(JSON.stringify(withoutStack(fact))) as Wire;
const withoutStack = (fact: Fact): object =>
  "failure" in fact && fact.failure !== undefined ? { ...fact, failure: failureWire(fact.failure) } : fact;

const isAt = (fact: Place, { path, visit }: Place): boolean => fact.path === path && fact.visit === visit;

/** The winner of several, as `callMany` with `any` records it. */
interface First {
  readonly output: Wire;
}

const endIn = ({ ordinal, outcome, failure, quota }: OfType<"call.child_ended">): ChildEnd => ({
  ordinal,
  outcome,
  ...(failure && { failure }),
  ...(quota && { quota }),
});

const messageOf = ({
  name,
  message,
}: {
  readonly name: string;
  readonly message: string;
}): { readonly seq: number; readonly id: string; readonly name: string } => ({ seq: 0, id: message, name });
