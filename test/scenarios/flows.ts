import { existsSync } from "node:fs";
import { type Flow, flow } from "flujo";
import { z } from "zod";
import type { StepContext } from "../../src/dsl/context.ts";
import { record } from "../crash/ledger.ts";

type Ctx = Pick<StepContext<unknown>, "run" | "path" | "resources" | "signal">;

/** Tells the outside world that a step begins: `begin <run> <path> <pid>`. */
function act({ run, path, resources }: Ctx): void {
  record(String(resources["ledger"]), "begin", run.id, path, process.pid);
}

/** Waits until a test lets it go on, by making the file. */
export async function until(file: string, signal: AbortSignal): Promise<void> {
  while (!existsSync(file)) {
    if (signal.aborted) throw signal.reason;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const add =
  (amount: number) =>
  (value: number, ctx: Ctx): number => {
    act(ctx);
    return value + amount;
  };

/** A step that is under way until the test makes the file `<ledger>.<name>`. */
const held =
  (name: string, amount: number) =>
  async (value: number, ctx: Ctx): Promise<number> => {
    act(ctx);
    await until(`${String(ctx.resources["ledger"])}.${name}`, ctx.signal);
    return value + amount;
  };

/** Scenario 4: five steps, the third of which takes its time. */
export const five: Flow<number, number> = flow("five", { version: "1" })
  .input(z.number())
  .step("one", add(1))
  .step("two", add(10))
  .step("three", held("three", 100))
  .step("four", add(1_000))
  .step("five", add(10_000))
  .build();

/** Scenario 8: four branches, two of which take their time. */
export const four: Flow<number, Readonly<Record<string, number>>> = flow("four", { version: "1" })
  .input(z.number())
  .parallel("all", {
    a: (b) => b.step("a", add(1)),
    b: (b) => b.step("b", held("b", 2)),
    c: (b) => b.step("c", add(3)),
    d: (b) => b.step("d", held("d", 4)),
  })
  .build();

/** Scenario 17: a step that waits for the word, and three that say when they began and ended. */
export const logged: Flow<number, number> = flow("logged", { version: "1" })
  .input(z.number())
  .step("held", async (value, ctx) => {
    act(ctx);
    await until(`${String(ctx.resources["ledger"])}.go`, ctx.signal);
    return value;
  })
  .step("one", interval)
  .step("two", interval)
  .step("three", interval)
  .build();

async function interval(value: number, ctx: Ctx): Promise<number> {
  const began = performance.timeOrigin + performance.now();
  await new Promise((resolve) => setImmediate(resolve));
  const ended = performance.timeOrigin + performance.now();
  record(String(ctx.resources["ledger"]), "interval", ctx.run.id, ctx.path, process.pid, began, ended);
  return value + 1;
}

/** Scenario 18: one step that says who did it. */
export const signed: Flow<number, number> = flow("signed", { version: "1" })
  .input(z.number())
  .step("sign", async (_, ctx) => {
    act(ctx);
    await until(`${String(ctx.resources["ledger"])}.sign`, ctx.signal);
    return process.pid;
  })
  .build();
