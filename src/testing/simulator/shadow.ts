import { childFiber, type FiberKey, placeOf, ROOT_FIBER } from "../../domain/ids.ts";
import type { Fact } from "../../domain/event.ts";
import { sameWire } from "../../domain/canonical.ts";
import type { Wire } from "../../domain/wire.ts";
import type { Definition } from "../../definition/definition.ts";
import { asideOf, stateOf } from "../../engine/fiber-codec.ts";
import { rebuild, type Row } from "../../engine/rebuild.ts";
import { type Fiber, newFiber } from "../../planner/fiber.ts";
import { begun, fold } from "../../planner/fold.ts";
import { bornChild } from "../../planner/fork.ts";
import type { EventRecord } from "../../ports/store.ts";
import type { FiberRow, RunRow } from "../../stores/memory/rows.ts";
import { Violation } from "./trace.ts";

interface Shadowed {
  readonly parent: { readonly key: FiberKey; readonly fork: number } | undefined;
  fiber: Fiber;
}

/**
 * What the history of one run says, folded as it grows, and held against what the store has saved (I1). Besides: the history
 * only grows (I6), and no step has two recorded results (I4).
 */
export class Shadow {
  readonly #definition: Definition;
  readonly #run: RunRow;
  readonly #fibers = new Map<FiberKey, Shadowed>();
  readonly #compared = new Map<FiberKey, number>();
  readonly #results = new Set<string>();
  readonly #input: Wire;
  #seen: readonly EventRecord[] = [];
  #ended: string | undefined;

  constructor(definition: Definition, run: RunRow) {
    this.#definition = definition;
    this.#run = run;
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
    if (
      events.length < this.#seen.length ||
      this.#seen.some((event, i) => i >= this.#seen.length - 3 && events[i] !== event)
    )
      this.#fail("its history was changed (I6)");
    for (let i = this.#seen.length; i < events.length; i++) this.#take(events[i] as EventRecord);
    this.#seen = events.slice();
    for (const row of run.fibers.values()) this.#compare(row);
    this.#checkEnd();
  }

  /** The same from scratch, the way a revived run is rebuilt. */
  checkRebuilt(): void {
    const rows = this.#run.events.map((event): Row => ({ ...event, facts: event.facts as unknown as readonly Fact[] }));
    const rebuilt = new Map(rebuild(this.#definition, rows).map(({ key, fiber }) => [key, fiber]));
    for (const [key, { fiber }] of this.#fibers) {
      const other = rebuilt.get(key);
      if (other === undefined || !sameWire(stateOf(other), stateOf(fiber)))
        this.#fail(`rebuilding fiber ${key} from its history gives another state than folding it step by step`);
    }
  }

  #take({ seq, fiber: key, facts }: EventRecord): void {
    const last = this.#seen.at(-1);
    if (last !== undefined && last.seq >= seq) this.#fail(`event ${seq} does not follow the one before it (I6)`);
    if (this.#ended !== undefined) this.#fail(`event ${seq} was recorded after the run had ended (I6)`);
    for (const fact of facts as unknown as readonly Fact[]) this.#fold(key, fact);
  }

  #fold(key: FiberKey, fact: Fact): void {
    const known = this.#fibers.get(key) ?? this.#born(key, fact);
    this.#fibers.set(key, known);
    known.fiber = fold(this.#definition, known.fiber, [fact]);
    if (fact.type === "step.completed" || fact.type === "undo.completed") this.#recorded(fact);
    if (fact.type === "fork.spawned") {
      const frame = known.fiber.frames.at(-1);
      if (frame?.kind !== "fork") return this.#fail(`fiber ${key} spawned without an open fork`);
      for (let ordinal = fact.from; ordinal < fact.to; ordinal++) {
        this.#fibers.set(childFiber(key, frame.base + ordinal), {
          parent: { key, fork: fact.fork },
          fiber: bornChild(this.#definition, known.fiber, frame, ordinal),
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
    const { deadlineAt, queue, priority } = fact;
    const start = {
      root: true,
      ...(deadlineAt !== undefined && { deadlineAt }),
      ...(queue !== undefined && { queue }),
      ...(priority !== undefined && { priority }),
    };
    return { parent: undefined, fiber: newFiber({ path: this.#definition.root.path, visit: "" }, start) };
  }

  #compare(row: FiberRow): void {
    if (this.#compared.get(row.key) === row.seq) return;
    this.#compared.set(row.key, row.seq);
    const fiber = this.#fibers.get(row.key)?.fiber;
    if (fiber === undefined) return this.#fail(`fiber ${row.key} is stored, but its history does not tell of it (I1)`);
    const told = this.#asFar(fiber, row);
    const parts = { state: stateOf(told), value: told.value, context: told.context, aside: asideOf(told.aside) };
    for (const part of ["state", "value", "context", "aside"] as const) {
      if (sameWire(parts[part], row[part])) continue;
      const expected = JSON.stringify(parts[part]);
      this.#fail(
        `the ${part} of fiber ${row.key} is not what its history tells (I1)\n  stored ${JSON.stringify(row[part])}\n  told   ${expected}`,
      );
    }
  }

  /** Going down to the first leaf is structure and leaves no fact: it may be stored, or not yet. */
  #asFar(fiber: Fiber, { state }: FiberRow): Fiber {
    const { kind } = (state as unknown as Fiber).doing;
    return kind === "new" ? fiber : begun(this.#definition, fiber);
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
    if (fibers.size > 0 || messages.length > 0) this.#fail("it has ended and left fibers or messages");
    this.checkRebuilt();
  }

  #fail(what: string): never {
    throw new Violation(`run ${this.#run.id}: ${what}`);
  }
}
