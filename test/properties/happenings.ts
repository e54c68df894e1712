import fc from "fast-check";
import { failure } from "../../src/domain/failure.ts";
import { ROOT_FIBER, runId } from "../../src/domain/ids.ts";
import type { EndStatus } from "../../src/domain/run.ts";
import type { Wire } from "../../src/domain/wire.ts";
import type { Fiber } from "../../src/planner/fiber.ts";
import type { ChildEnd, CollectedRun, GatheredChild, Happened, PlanContext } from "../../src/planner/planning.ts";

/** Small numbers, so that fast-check can make a failure smaller; what they mean depends on the fiber they meet. */
export interface Drawn {
  /** Whether what happens fits what the fiber is doing. */
  readonly fits: boolean;
  readonly kind: number;
  readonly detail: number;
  readonly passMs: number;
}

export const drawn = (): fc.Arbitrary<Drawn> =>
  fc.record({
    fits: fc.boolean().chain((one) => fc.boolean().map((two) => one || two)),
    kind: fc.nat(14),
    detail: fc.nat(1_000),
    passMs: fc.oneof(fc.constant(0), fc.nat(5_000)),
  });

const OUTCOMES: readonly EndStatus[] = ["completed", "completed", "completed", "failed", "cancelled"];
const VALUES: readonly Wire[] = [0, 1, 2, 3, "late", null, [1, 2], { a: 1 }, { $undefined: true }];
const at = <T>(list: readonly T[], index: number): T => list[index % list.length] as T;
const why = (detail: number): ReturnType<typeof failure> => failure("STEP_FAILED", `failure ${detail}`);

/** What comes to a fiber from outside, and what its children came to. */
export class World {
  #seq = 1;
  #nowMs = 1_800_000_000_000;
  /** Children of each fork and call that have been heard. */
  readonly #heard = new Map<string, Set<number>>();

  context(passMs: number, detail: number): PlanContext {
    this.#nowMs += passMs;
    return { now: this.#nowMs, random: (detail % 100) / 100, run: runId("r"), fiber: ROOT_FIBER };
  }

  /** With `answers`, what the planner asks for in passing is answered before anything else comes: so does the engine. */
  happened({ fits, kind, detail }: Drawn, fiber: Fiber, answers: boolean): Happened {
    const asked = answers && ["gather", "collect", "starting", "finish"].includes(fiber.doing.kind);
    return (fits || asked ? this.#fitting(fiber, kind, detail) : undefined) ?? this.#anything(fiber, kind, detail);
  }

  #fitting(fiber: Fiber, kind: number, detail: number): Happened | undefined {
    const { doing } = fiber;
    switch (doing.kind) {
      case "new":
        return { type: "began" };
      case "step":
      case "undo":
        return kind % 4 > 0 ? this.#succeeded(detail) : this.#failed(detail);
      case "wait":
        if (kind % 4 === 0 && doing.deadlineAt !== undefined) {
          this.#nowMs = Math.max(this.#nowMs, doing.deadlineAt);
          return { type: "due" };
        }
        return doing.names.length === 0 ? { type: "due" } : this.#answered(kind, detail);
      case "join": {
        const frame = fiber.frames.at(-1);
        return frame?.kind === "fork" ? this.#ended(`fork ${doing.fork}`, frame.opened, detail) : undefined;
      }
      case "call":
        return this.#ended(`call ${doing.call}`, doing.total, detail);
      case "gather":
        return this.#gathered(fiber, detail);
      case "collect":
        return { type: "collected", results: doing.ordinals.map((ordinal) => this.#run(ordinal, detail)) };
      case "starting":
        return kind % 4 > 0 ? { type: "started" } : { type: "start.refused", failure: why(detail) };
      case "finish":
        return kind % 3 === 0
          ? { type: "refused", failure: why(detail) }
          : { type: "checked", output: at(VALUES, detail) };
      case "decide":
      case "ended":
        return undefined;
    }
  }

  #anything(fiber: Fiber, kind: number, detail: number): Happened {
    const all: readonly (() => Happened)[] = [
      () => ({ type: "began" }),
      () => this.#succeeded(detail),
      () => this.#failed(detail),
      () => this.#answered(0, detail),
      () => this.#answered(1, detail),
      () => this.#ended(`anything ${this.#seq}`, this.#children(fiber), detail),
      () => this.#gathered(fiber, detail),
      () => ({ type: "collected", results: [this.#run(0, detail)] }),
      () => ({ type: "checked", output: at(VALUES, detail) }),
      () => ({ type: "refused", failure: why(detail) }),
      () => ({ type: "started" }),
      () => ({ type: "start.refused", failure: why(detail) }),
      () => ({ type: "due" }),
      () => ({ type: "cancelled", reason: `reason ${detail}` }),
      () => ({ type: "broken", failure: why(detail) }),
    ];
    return at(all, kind)();
  }

  /** Ends come from children that exist: a message names one of them. */
  #children(fiber: Fiber): number {
    const frame = fiber.frames.at(-1);
    return frame?.kind === "fork" ? frame.total : fiber.doing.kind === "call" ? fiber.doing.total : 3;
  }

  #succeeded(detail: number): Happened {
    const context = detail % 5 === 0 ? { context: { c0: detail } } : {};
    return { type: "step.succeeded", output: at(VALUES, detail), startedAt: this.#nowMs, ...context };
  }

  #failed(detail: number): Happened {
    const again = detail % 7 === 0 ? { retryAfterMs: detail } : {};
    return { type: "step.failed", failure: why(detail), retryable: detail % 3 > 0, startedAt: this.#nowMs, ...again };
  }

  #answered(kind: number, detail: number): Happened {
    const message = { seq: this.#seq++, id: `m${detail}`, name: "alpha" };
    if (kind % 4 === 1) return { type: "answer.rejected", message, issues: [{ path: "$", message: "not that" }] };
    return { type: "answered", message, output: at(VALUES, detail) };
  }

  /** One or two of those that were not heard yet. */
  #ended(of: string, total: number, detail: number): Happened {
    const heard = this.#heard.get(of) ?? new Set<number>();
    this.#heard.set(of, heard);
    const waiting = Array.from({ length: total }, (_, ordinal) => ordinal).filter((ordinal) => !heard.has(ordinal));
    const ends: ChildEnd[] = [];
    for (let i = 0; i <= detail % 2 && waiting.length > 0; i++) {
      const [ordinal = 0] = waiting.splice(detail % waiting.length, 1);
      heard.add(ordinal);
      const outcome = at(OUTCOMES, detail + i);
      ends.push({ seq: this.#seq++, ordinal, outcome, ...(outcome === "failed" && { failure: why(detail) }) });
    }
    return { type: "children.ended", ends };
  }

  #gathered(fiber: Fiber, detail: number): Happened {
    const frame = fiber.frames.at(-1);
    const total = frame?.kind === "fork" ? frame.opened : 1;
    const results = Array.from({ length: total }, (_, ordinal): GatheredChild => {
      const outcome = at(OUTCOMES, detail + ordinal);
      const context = { ...(fiber.context as object), c1: (detail + ordinal) % 3 };
      const ended = { ordinal, outcome, value: at(VALUES, detail + ordinal), context, undo: [] };
      return outcome === "failed" ? { ...ended, failure: why(ordinal) } : ended;
    });
    return { type: "gathered", results };
  }

  #run(ordinal: number, detail: number): CollectedRun {
    const outcome = at(OUTCOMES, detail);
    return { ordinal, outcome, output: at(VALUES, detail), ...(outcome === "failed" && { failure: why(detail) }) };
  }
}
