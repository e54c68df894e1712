import { type Flow, flow, type StepContext } from "flujo";
import { z } from "zod";
import { note } from "./ledger.ts";
import { write } from "./outbox.ts";

/** What flows between steps: a number to check, and the execution that gave it. */
export interface Value {
  readonly n: number;
  readonly by: string;
}
const value: z.ZodType<Value> = z.object({ n: z.number(), by: z.string() });

type Ctx = Pick<StepContext<unknown>, "run" | "path" | "visit" | "attempt" | "idempotencyKey" | "resources" | "signal">;

/** Some steps end at once, some take a while, one in fifty a good part of a lease. */
const PAUSES_MS = [0, 0, 0, 5, 20, 50] as const;
const LONG_MS = 700;

let executions = 0;

/** Leaves a trace in the ledger before the work, as a charge does that is made before its result is known. */
function act(what: "do" | "undo", ctx: Ctx): string {
  const worker = String(ctx.resources["worker"]);
  const by = `${worker}/${++executions}`;
  const { run, path, visit, attempt, idempotencyKey: key } = ctx;
  note(String(ctx.resources["ledger"]), { what, run: run.id, path, visit, attempt, key, by, worker, at: Date.now() });
  return by;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });
}

const work =
  <In>(change: (input: In) => number) =>
  async (input: In, ctx: Ctx): Promise<Value> => {
    const by = act("do", ctx);
    await pause(executions % 50 === 0 ? LONG_MS : (PAUSES_MS[executions % PAUSES_MS.length] ?? 0), ctx.signal);
    return { n: change(input), by };
  };
const add = (amount: number) => work<Value>(({ n }) => n + amount);
const sum = (values: readonly Value[]): number => values.reduce((total, { n }) => total + n, 0);
const undo = (_: unknown, ctx: Ctx): void => void act("undo", ctx);

const named = (name: string) => flow(name, { version: "1" }).input(value);

const sequence = named("sequence").step("a", add(1)).step("b", add(10)).step("c", add(100)).build();

const parallel = named("parallel")
  .parallel("all", {
    left: (b) => b.step("one", add(1)),
    middle: (b) => b.step("two", add(2)).step("three", add(3)),
    right: (b) => b.step("four", add(4)),
  })
  .step(
    "sum",
    work(({ left, middle, right }) => sum([left, middle, right])),
  )
  .build();

const map = named("map")
  .map(
    "each",
    (one) => [0, 1, 2, 3, 4, 5].map((i) => ({ ...one, n: one.n + i })),
    (b) =>
      b.step(
        "double",
        work((one) => one.n * 2),
      ),
    { concurrency: 3 },
  )
  .step("sum", work(sum))
  .build();

const loop = named("loop")
  .times("again", 5, (b) => b.step("more", add(1)))
  .step("last", add(10))
  .build();

const wait = named("wait")
  .step("before", add(1))
  .waitForSignal("go", "go", { schema: value })
  .step("after", add(100))
  .build();

const called = named("called").step("one", add(1)).step("two", add(10)).build();

const child = named("child")
  .step("before", add(1))
  .call("single", called)
  .callMany("many", called, { inputs: (one) => [0, 1, 2].map((i) => ({ ...one, n: one.n + i })) })
  .step("sum", work(sum))
  .build();

const compensation = named("compensation")
  .attempt(
    "book",
    (b) =>
      b
        .step("hotel", add(1), { compensate: undo })
        .step("train", add(10), { compensate: undo })
        .step("pay", (_: Value, ctx): Value => {
          act("do", ctx);
          throw new Error("no money");
        }),
    { compensate: true, fallback: (b) => b.step("stay", add(1_000)) },
  )
  .step("end", add(10_000))
  .build();

const timer = named("timer").step("before", add(1)).sleep("rest", "400ms").step("after", add(10)).build();

const retry = named("retry")
  .step(
    "third",
    async (input: Value, ctx): Promise<Value> => {
      const given = await add(7)(input, ctx);
      if (ctx.attempt < 3) throw new Error(`attempt ${ctx.attempt}`);
      return given;
    },
    { retry: { attempts: 3, delay: "50ms" } },
  )
  .build();

/** Its steps write in the transaction that records them: each effect is there exactly once. */
const transaction = named("transaction")
  .step("before", add(1))
  .transaction("first", async (tx: unknown, input: Value, ctx): Promise<Value> => {
    const by = act("do", ctx);
    await write(tx, ctx.idempotencyKey, by);
    return { n: input.n + 10, by };
  })
  .transaction("second", async (tx: unknown, input: Value, ctx): Promise<Value> => {
    const by = act("do", ctx);
    await write(tx, ctx.idempotencyKey, by);
    await pause(20, ctx.signal);
    return { n: input.n + 100, by };
  })
  .step("after", add(1_000))
  .build();

export interface Pattern {
  readonly flow: Flow<Value, Value>;
  readonly output: (n: number) => number;
  /** The signal that it waits for. */
  readonly signal?: string;
}

export const PATTERNS: Readonly<Record<string, Pattern>> = {
  sequence: { flow: sequence, output: (n) => n + 111 },
  parallel: { flow: parallel, output: (n) => 3 * n + 10 },
  map: { flow: map, output: (n) => 2 * (6 * n + 15) },
  loop: { flow: loop, output: (n) => n + 15 },
  wait: { flow: wait, output: (n) => n + 100, signal: "go" },
  child: { flow: child, output: (n) => 3 * (n + 12) + 3 + 33 },
  compensation: { flow: compensation, output: (n) => n + 11_000 },
  timer: { flow: timer, output: (n) => n + 11 },
  retry: { flow: retry, output: (n) => n + 7 },
};

/** Only where the store has transactions. */
export const TRANSACTIONAL: Readonly<Record<string, Pattern>> = {
  transaction: { flow: transaction, output: (n) => n + 1_111 },
};

export const patternsOn = (transactions: boolean): Readonly<Record<string, Pattern>> =>
  transactions ? { ...PATTERNS, ...TRANSACTIONAL } : PATTERNS;
