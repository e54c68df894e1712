import { childFiber, type FiberKey, placeOf, ROOT_FIBER } from "../../domain/ids.ts";
import type { Fact } from "../../domain/event.ts";
import { sameWire } from "../../domain/canonical.ts";
import type { Quota } from "../../domain/quota.ts";
import { isBlobRef, type Wire } from "../../domain/wire.ts";
import type { Definition } from "../../definition/definition.ts";
import { asideOf, fiberOf, stateOf } from "../../engine/fiber-codec.ts";
import { bornAs, lasting, rebuild, type Row } from "../../engine/rebuild.ts";
import { fiberOfFacts } from "../../engine/stored-facts.ts";
import type { Fiber } from "../../planner/fiber.ts";
import { begun, fold } from "../../planner/fold.ts";
import { bornChild } from "../../planner/fork.ts";
import type { EventRecord } from "../../ports/store.ts";
import type { FiberRow, RunRow } from "../../stores/memory/rows.ts";
import type { Tables } from "../../stores/memory/tables.ts";
import { Violation } from "./trace.ts";

/** What a store would change of a history by mistake is its end. */
const LOOKED_AT = 3;

interface Shadowed {
  readonly parent: { readonly key: FiberKey; readonly fork: number } | undefined;
  fiber: Fiber;
}

/**
 * What the history of one run says, folded as it grows, and held against what the store has saved (I1). Besides: the history
 * only grows (I6), and no step has two recorded results (I4).
 */
export class Shadow {
  readonly definition: Definition;
  readonly #run: RunRow;
  readonly #fibers = new Map<FiberKey, Shadowed>();
  readonly #compared = new Map<FiberKey, number>();
  #results = new Set<string>();
  readonly #blobs: Tables["blobs"];
  #retried = false;
  readonly #input: Wire;
  readonly #seen: EventRecord[] = [];
  #ended: string | undefined;

  constructor(definition: Definition, run: RunRow, blobs: Tables["blobs"]) {
    this.definition = definition;
    this.#run = run;
    this.#blobs = blobs;
    this.#input = run.input;
  }

  /** Whether the result of this visit of a step, or of its compensation, is recorded. */
  has(kind: "step" | "undo", path: string, visit: string): boolean {
    return this.#results.has(`${kind} ${placeOf(path, visit)}`);
  }

  /** Takes in what is new, and compares. */
  check(): void {
    const run = this.#run;
    if (run.input !== this.#input) this.#fail("its input was changed (I6)");
    const { events } = run;
    const last = Math.max(0, this.#seen.length - LOOKED_AT);
    if (events.length < this.#seen.length || this.#seen.slice(last).some((event, i) => events[last + i] !== event))
      this.#fail("its history was changed (I6)");
    this.#takeAll(events);
    for (const row of run.fibers.values()) this.#compare(row);
    this.#checkEnd();
  }

  /** A fork of a run that was retried brings several new beginnings along: the last one counts. */
  #takeAll(events: readonly EventRecord[]): void {
    const isBeginning = ({ facts }: EventRecord): boolean =>
      (facts as unknown as readonly Fact[]).some(({ type }) => type === "run.retried" || type === "run.forked");
    let beginning = events.length - 1;
    while (beginning >= this.#seen.length && !isBeginning(events[beginning] as EventRecord)) beginning -= 1;
    if (beginning >= this.#seen.length) this.#restart();
    for (let i = Math.max(this.#seen.length, beginning + 1); i < events.length; i++)
      this.#take(events[i] as EventRecord, events[i - 1]);
    for (let i = this.#seen.length; i < events.length; i++) this.#seen.push(events[i] as EventRecord);
  }

  /** The same from scratch, the way a revived run is rebuilt. */
  checkRebuilt(): void {
    const rebuilt = new Map(rebuild(this.definition, this.rows()).map(({ key, fiber }) => [key, fiber]));
    for (const [key, { fiber }] of this.#fibers) {
      const other = rebuilt.get(key);
      // A retry begins attempts and deadlines anew, which no fact tells.
      const same = this.#retried
        ? other?.doing.kind === fiber.doing.kind
        : other !== undefined && sameWire(stateOf(other), stateOf(fiber));
      if (!same)
        this.#fail(`rebuilding fiber ${key} from its history gives another state than folding it step by step`);
    }
  }

  /** What the run has left to spend, by its first fiber. */
  get quota(): Quota | undefined {
    return this.#fibers.get(ROOT_FIBER)?.fiber.quota;
  }

  /** The history with its large values in place. */
  rows(): readonly Row[] {
    return this.#run.events.map((event): Row => {
      const facts = this.#facts(event);
      return { ...event, fiber: fiberOfFacts(event.fiber, facts), facts };
    });
  }

  #facts({ facts }: EventRecord): readonly Fact[] {
    return (facts as unknown as readonly Fact[]).map((fact) => {
      const large = Object.entries(fact).filter(([, value]) => isBlobRef(value as Wire));
      if (large.length === 0) return fact;
      return { ...fact, ...Object.fromEntries(large.map(([key, value]) => [key, this.#whole(value as Wire)])) };
    });
  }

  #whole(wire: Wire): Wire {
    if (!isBlobRef(wire)) return wire;
    const blob = this.#blobs.get(wire.$blob);
    return blob === undefined ? this.#fail(`blob ${wire.$blob} is gone`) : (JSON.parse(blob.text) as Wire);
  }

  #take(event: EventRecord, last: EventRecord | undefined): void {
    const { seq, fiber: key } = event;
    const facts = this.#facts(event);
    if (last !== undefined && last.seq >= seq) this.#fail(`event ${seq} does not follow the one before it (I6)`);
    if (this.#ended !== undefined) this.#fail(`event ${seq} was recorded after the run had ended (I6)`);
    for (const fact of facts) this.#fold(key, fact);
  }

  /** A retried run, or one that continues another: its fibers are rebuilt, and some of what they did is begun anew. */
  #restart(): void {
    const rows = lasting(this.definition, this.rows());
    const rebuilt = new Map(rebuild(this.definition, rows).map((one) => [one.key, one]));
    this.#retried = true;
    this.#ended = undefined;
    this.#fibers.clear();
    this.#compared.clear();
    this.#results = new Set();
    for (const { facts } of rows) {
      for (const fact of facts)
        if (fact.type === "step.completed" || fact.type === "undo.completed") this.#recorded(fact);
    }
    for (const row of this.#run.fibers.values()) {
      const told = rebuilt.get(row.key);
      if (told === undefined) return this.#fail(`fiber ${row.key} was revived, but its history does not tell of it`);
      const parts = { value: this.#whole(row.value), context: this.#whole(row.context), aside: this.#whole(row.aside) };
      const fiber = fiberOf({ state: row.state, ...parts }, row.key);
      if (!sameWire(fiber.value, told.fiber.value) || !sameWire(fiber.context, told.fiber.context))
        this.#fail(`fiber ${row.key} was revived with another value or context than its history tells`);
      this.#fibers.set(row.key, { parent: told.parent, fiber });
      this.#compared.set(row.key, row.seq);
    }
  }

  #fold(key: FiberKey, fact: Fact): void {
    const known = this.#fibers.get(key) ?? this.#born(key, fact);
    this.#fibers.set(key, known);
    known.fiber = fold(this.definition, known.fiber, [fact]);
    if (fact.type === "step.completed" || fact.type === "undo.completed") this.#recorded(fact);
    if (fact.type === "fork.spawned") {
      const frame = known.fiber.frames.at(-1);
      if (frame?.kind !== "fork") return this.#fail(`fiber ${key} spawned without an open fork`);
      for (let ordinal = fact.from; ordinal < fact.to; ordinal++) {
        this.#fibers.set(childFiber(key, frame.base + ordinal), {
          parent: { key, fork: fact.fork },
          fiber: bornChild(this.definition, known.fiber, {
            frame,
            ordinal,
            slice: fact.slices?.[ordinal - fact.from],
          }),
        });
      }
    }
    if (fact.type === "fork.joined" || fact.type === "fork.failed") {
      for (const [child, { parent }] of this.#fibers)
        if (parent?.key === key && parent.fork === fact.fork) this.#fibers.delete(child);
    }
  }

  #recorded({ type, path, visit }: Extract<Fact, { type: "step.completed" | "undo.completed" }>): void {
    const key = `${type === "step.completed" ? "step" : "undo"} ${placeOf(path, visit)}`;
    if (this.#results.has(key)) this.#fail(`two results are recorded for ${key} (I4)`);
    this.#results.add(key);
  }

  #born(key: FiberKey, fact: Fact): Shadowed {
    if (key !== ROOT_FIBER || fact.type !== "run.started")
      return this.#fail(`fiber ${key} acted before it was born (I1)`);
    return { parent: undefined, fiber: bornAs(this.definition, fact) };
  }

  #compare(row: FiberRow): void {
    if (this.#compared.get(row.key) === row.seq) return;
    this.#compared.set(row.key, row.seq);
    const fiber = this.#fibers.get(row.key)?.fiber;
    if (fiber === undefined) return this.#fail(`fiber ${row.key} is stored, but its history does not tell of it (I1)`);
    const told = this.#asFar(fiber, row);
    const parts = { state: stateOf(told), value: told.value, context: told.context, aside: asideOf(told.aside) };
    for (const part of ["state", "value", "context", "aside"] as const) {
      if (sameWire(parts[part], this.#whole(row[part]))) continue;
      const expected = JSON.stringify(parts[part]);
      this.#fail(
        `the ${part} of fiber ${row.key} is not what its history tells (I1)\n  stored ${JSON.stringify(row[part])}\n  told   ${expected}`,
      );
    }
  }

  /** Going down to the first leaf is structure and leaves no fact: it may be stored, or not yet. */
  #asFar(fiber: Fiber, { state }: FiberRow): Fiber {
    const { kind } = (state as unknown as Fiber).doing;
    return kind === "new" ? fiber : begun(this.definition, fiber);
  }

  #checkEnd(): void {
    const { status, endedAt, fibers, messages } = this.#run;
    if (this.#ended !== undefined && status !== this.#ended) this.#fail(`it was ${this.#ended} and is ${status} now`);
    if (endedAt === undefined) {
      for (const key of this.#fibers.keys()) if (!fibers.has(key)) this.#fail(`fiber ${key} is gone (I1)`);
      return;
    }
    if (this.#ended !== undefined) return;
    this.#ended = status;
    const root = this.#fibers.get(ROOT_FIBER)?.fiber.doing;
    if (root?.kind !== "ended" || root.ending.outcome !== status)
      this.#fail(
        `it is ${status}, but its history ends with ${root?.kind === "ended" ? root.ending.outcome : root?.kind}`,
      );
    // Messages from outside may stay: a retry takes them up. Those of the engine itself, which have no id, may not.
    if (fibers.size > 0 || messages.some(({ id }) => id === undefined))
      this.#fail("it has ended and left fibers or messages of the engine");
    this.checkRebuilt();
  }

  #fail(what: string): never {
    throw new Violation(`run ${this.#run.id}: ${what}`);
  }
}
