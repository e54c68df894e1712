import { type Flow, flow, type Flujo } from "flujo";
import { z } from "zod";
import type { StepContext } from "../../src/dsl/context.ts";
import type { WorkerOptions } from "../../src/worker/options.ts";
import { placeOf } from "../../src/domain/ids.ts";
import { record } from "./ledger.ts";

type Ctx = Pick<StepContext<unknown>, "run" | "path" | "visit" | "resources">;

/** Leaves a trace in the outside world, as a charge or a mail would. */
function act(what: "do" | "undo", { run, path, visit, resources }: Ctx): void {
  record(String(resources["ledger"]), what, run.id, placeOf(path, visit));
}

const add =
  (amount: number) =>
  (value: number, ctx: Ctx): number => {
    act("do", ctx);
    return value + amount;
  };
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const undo = (_: unknown, ctx: Ctx): void => act("undo", ctx);

const sequence = flow("sequence", { version: "1" })
  .input(z.number())
  .step("a", add(1))
  .step("b", add(10))
  .step("c", add(100))
  .build();

const parallel = flow("parallel", { version: "1" })
  .input(z.number())
  .parallel("all", {
    left: (b) => b.step("one", add(1)),
    middle: (b) => b.step("two", add(2)).step("three", add(3)),
    right: (b) => b.step("four", add(4)),
  })
  .step("sum", ({ left, middle, right }, ctx) => add(left + middle + right)(0, ctx))
  .build();

const map = flow("map", { version: "1" })
  .input(z.number())
  .map(
    "each",
    (n) => [n, n + 1, n + 2, n + 3, n + 4],
    (b) => b.step("square", (n, ctx) => add(n * n)(0, ctx)),
    { concurrency: 2 },
  )
  .step("sum", (values, ctx) => add(sum(values))(0, ctx))
  .build();

const loop = flow("loop", { version: "1" })
  .input(z.number())
  .times("again", 4, (b) => b.step("more", add(1)))
  .step("last", add(10))
  .build();

const wait = flow("wait", { version: "1" })
  .input(z.number())
  .step("before", add(1))
  .waitForSignal("go", "go", { schema: z.number() })
  .step("between", add(10))
  .sleep("rest", 20)
  .step("after", add(100))
  .build();

const called = flow("called", { version: "1" }).input(z.number()).step("one", add(1)).step("two", add(10)).build();

const child = flow("child", { version: "1" })
  .input(z.number())
  .step("before", add(1))
  .call("single", called)
  .callMany("many", called, { inputs: (n) => [n, n + 1, n + 2] })
  .step("sum", (values, ctx) => add(sum(values))(0, ctx))
  .build();

const compensation = flow("compensation", { version: "1" })
  .input(z.number())
  .attempt(
    "book",
    (b) =>
      b
        .step("hotel", add(1), { compensate: undo })
        .step("train", add(10), { compensate: undo })
        .step("pay", (_: number, ctx): number => {
          act("do", ctx);
          throw new Error("no money");
        }),
    { compensate: true, fallback: (b) => b.step("stay", add(1_000)) },
  )
  .step("end", add(10_000))
  .build();

export interface Pattern {
  readonly flow: Flow<number, number>;
  /** Whether a fiber of it ever parks. */
  readonly parks: boolean;
  readonly output: (input: number) => number;
}

export type PatternName = "sequence" | "parallel" | "map" | "loop" | "wait" | "child" | "compensation";

export const PATTERNS: Readonly<Record<PatternName, Pattern>> = {
  sequence: { flow: sequence, parks: false, output: (n) => n + 111 },
  parallel: { flow: parallel, parks: true, output: (n) => 3 * n + 10 },
  map: { flow: map, parks: true, output: (n) => sum([0, 1, 2, 3, 4].map((i) => (n + i) ** 2)) },
  loop: { flow: loop, parks: false, output: (n) => n + 14 },
  wait: { flow: wait, parks: true, output: (n) => n + 110 },
  child: { flow: child, parks: true, output: (n) => 3 * (n + 1 + 11) + 3 + 33 },
  compensation: { flow: compensation, parks: false, output: (n) => n + 11_000 },
};

/** The runs of one case. Whoever starts them later starts nothing twice. */
export const RUNS: readonly number[] = [1, 2, 3];

/** Starts what is not started yet, and sends what its waits wait for. */
export async function begin(flujo: Flujo, name: PatternName): Promise<string[]> {
  const ids: string[] = [];
  for (const input of RUNS) {
    const { runId } = await flujo.start(PATTERNS[name].flow, input, { id: `${name}-${input}` });
    ids.push(runId);
    if (name !== "wait") continue;
    // It may have had its signal before the crash, and have ended since.
    const { status } = await flujo.get(runId);
    if (status !== "completed") await flujo.signal(runId, "go", input, { id: "go" });
  }
  return ids;
}

/**
 * Leases so short that a dead process is noticed within a moment, and long enough that a living one keeps them when five others
 * start beside it on two cores: with 300 ms it lost them now and then.
 */
export const SHORT_LEASE: WorkerOptions = { lease: 1_000, heartbeat: 250, sweep: 100, pollInterval: 100 };
