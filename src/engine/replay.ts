import { canonical } from "../domain/canonical.ts";
import type { Fact } from "../domain/event.ts";
import { childFiber, type FiberKey, ROOT_FIBER, type RunId } from "../domain/ids.ts";
import { invariant } from "../domain/result.ts";
import type { Wire } from "../domain/wire.ts";
import type { Definition } from "../definition/definition.ts";
import type { CallNode } from "../definition/node.ts";
import type { Ending, Fiber } from "../planner/fiber.ts";
import { bornChild } from "../planner/fork.ts";
import { plan } from "../planner/plan.ts";
import type { ChildEnd, GatheredChild, Happened, Plan, PlanContext } from "../planner/planning.ts";
import { bornAs, type Row } from "./rebuild.ts";
import { Recording } from "./recording.ts";
import { checkedOutput } from "./output-check.ts";
import { endOf } from "./stored-facts.ts";

/** What a run did, as it was recorded, large values in place. */
export interface RecordedRun {
  readonly id: RunId;
  readonly rows: readonly Row[];
}

export interface ReplayedRun {
  readonly outcome: Ending["outcome"] | "open";
  readonly output: Wire;
  readonly failure?: Ending["failure"];
  /** What each line of execution recorded this time, in its order. */
  readonly facts: ReadonlyMap<FiberKey, readonly Fact[]>;
  /** The first fact of each line that is not what was recorded; none: it is the same, byte for byte. */
  readonly differences: readonly Difference[];
}

export interface Difference {
  readonly fiber: FiberKey;
  readonly expected: Fact | undefined;
  readonly found: Fact | undefined;
}

interface Line {
  readonly key: FiberKey;
  fiber: Fiber;
  readonly facts: Fact[];
  readonly children: Map<string, Line>;
  ended: Ending | undefined;
}

/**
 * Runs a recorded run again, from its definition: every predicate, selector and mapper is asked anew, and what came from outside
 * (results of steps, turns and tools, answers, signals, timers, child runs) is what was recorded. No store, no clock, no step, no
 * network. Throws REPLAY_MISSING naming the step and attempt for which there is no record. Source: Flujo, replay_from_trace.
 */
export async function replay(definition: Definition, recorded: RecordedRun): Promise<ReplayedRun> {
  const replaying = new Replaying(definition, recorded);
  return replaying.run();
}

class Replaying {
  readonly #definition: Definition;
  readonly #run: RunId;
  readonly #recording: Recording;
  readonly #lines = new Map<FiberKey, Line>();

  constructor(definition: Definition, { id, rows }: RecordedRun) {
    this.#definition = definition;
    this.#run = id;
    this.#recording = new Recording(rows);
  }

  async run(): Promise<ReplayedRun> {
    const first = this.#recording.first();
    const root = this.#line(ROOT_FIBER, bornAs(this.#definition, first));
    root.facts.push(first);
    root.fiber = { ...root.fiber, value: first.input, context: first.context };
    await this.#drive(root);
    const { doing, value } = root.fiber;
    const ending = doing.kind === "ended" ? doing.ending : undefined;
    return {
      outcome: ending?.outcome ?? "open",
      output: value,
      ...(ending?.failure && { failure: ending.failure }),
      facts: new Map([...this.#lines].map(([key, { facts }]) => [key, facts])),
      differences: this.#differences(),
    };
  }

  #line(key: FiberKey, fiber: Fiber): Line {
    const line: Line = { key, fiber, facts: [], children: new Map(), ended: undefined };
    this.#lines.set(key, line);
    return line;
  }

  /** Until it has ended, or waits for something that had not come when the record was made. */
  async #drive(line: Line): Promise<void> {
    let happened: Happened | undefined = { type: "began" };
    while (happened !== undefined) {
      this.#apply(line, plan(this.#definition, line.fiber, happened, this.#context(line)));
      happened = await this.#next(line);
    }
  }

  #context({ key, facts }: Line): PlanContext {
    return { now: this.#recording.timeAfter(key, facts.length), random: 0, run: this.#run, fiber: key };
  }

  #apply(line: Line, { after, facts, effects }: Plan): void {
    line.fiber = after;
    line.facts.push(...facts);
    const frame = after.frames.at(-1);
    for (const { fork, from, to, slices } of effects.spawn) {
      invariant(frame?.kind === "fork", "only an open fork spawns");
      for (let ordinal = from; ordinal < to; ordinal++) {
        const key = childFiber(line.key, frame.base + ordinal);
        const slice = slices?.[ordinal - from];
        const child = this.#line(key, bornChild(this.#definition, after, { frame, ordinal, slice }));
        line.children.set(`${fork}/${ordinal}`, child);
      }
    }
  }

  async #next(line: Line): Promise<Happened | undefined> {
    const { doing } = line.fiber;
    switch (doing.kind) {
      case "new":
        return { type: "began" };
      case "step":
      case "undo":
        return this.#recording.outcome(line.key, doing);
      case "wait":
        return this.#recording.answer(line.key, doing);
      case "join":
        return this.#childEnd(line, doing.fork);
      case "call":
        return this.#recording.callEnd(line.key, doing);
      case "starting":
        return { type: "started" };
      case "gather":
        return { type: "gathered", results: await this.#gather(line, doing.fork) };
      case "collect":
        return this.#recording.collected(line.key, doing, callAt(this.#definition, doing.path));
      case "finish":
        return checkedOutput(this.#definition, line.fiber.value);
      case "decide":
        return invariant(false, "a plan leaves nothing undecided") as never;
      case "ended":
        return undefined;
    }
  }

  /** The next child to end, in the order in which their ends were heard then. */
  async #childEnd(line: Line, fork: number): Promise<Happened | undefined> {
    const frame = line.fiber.frames.at(-1);
    invariant(frame?.kind === "fork", "who waits for a join has a fork open");
    const order = this.#recording.endsOf(line.key, fork);
    const open = Array.from({ length: frame.opened }, (_, i) => i).filter((i) => !this.#heard(line, fork, i));
    const ordinal = order.find((one) => open.includes(one)) ?? open[0];
    if (!order.some((one) => open.includes(one))) {
      const cancelled = this.#recording.cancelled(line.key); // it was told to stop before another of them had ended
      if (cancelled !== undefined) return cancelled;
    }
    const child = ordinal === undefined ? undefined : line.children.get(`${fork}/${ordinal}`);
    if (child === undefined || ordinal === undefined) return undefined;
    await this.#drive(child);
    const { doing, quota } = child.fiber;
    if (doing.kind !== "ended") return undefined; // it was still at work
    child.ended = doing.ending;
    return { type: "children.ended", ends: [{ ordinal, ...endOf(doing.ending, quota) } satisfies ChildEnd] };
  }

  #heard(line: Line, fork: number, ordinal: number): boolean {
    return line.children.get(`${fork}/${ordinal}`)?.ended !== undefined;
  }

  async #gather(line: Line, fork: number): Promise<readonly GatheredChild[]> {
    const gathered: GatheredChild[] = [];
    for (const [place, { fiber }] of line.children) {
      const [of = "", ordinal = ""] = place.split("/");
      if (Number(of) !== fork || fiber.doing.kind !== "ended") continue;
      const { outcome, failure } = fiber.doing.ending;
      const { value, context, aside } = fiber;
      gathered.push({
        ordinal: Number(ordinal),
        outcome,
        value,
        context,
        undo: aside.undo,
        ...(failure && { failure }),
      });
    }
    return gathered.sort((a, b) => a.ordinal - b.ordinal);
  }

  #differences(): readonly Difference[] {
    const found: Difference[] = [];
    for (const key of new Set([...this.#recording.fibers, ...this.#lines.keys()])) {
      const expected = this.#recording.factsOf(key);
      const facts = this.#lines.get(key)?.facts ?? [];
      const at = expected.findIndex((fact, i) => !isSame(fact, facts[i]));
      const first = at >= 0 ? at : facts.length > expected.length ? expected.length : -1;
      if (first >= 0) found.push({ fiber: key, expected: expected[first], found: facts[first] });
    }
    return found;
  }
}

const isSame = (a: Fact, b: Fact | undefined): boolean =>
  b !== undefined && canonical(plain(a)) === canonical(plain(b));
const plain = (fact: Fact): Wire => JSON.parse(JSON.stringify(fact)) as Wire;

function callAt({ nodes }: Definition, path: string): CallNode {
  const node = nodes.get(path);
  invariant(node?.kind === "call", `${path} is a call`);
  return node;
}
