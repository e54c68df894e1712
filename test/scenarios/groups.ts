import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { type Flow, flow } from "flujo";
import { z } from "zod";
import type { StepContext } from "../../src/dsl/context.ts";
import { record } from "../crash/ledger.ts";
import { until } from "./flows.ts";

type Ctx = Pick<StepContext<unknown>, "run" | "path" | "resources" | "signal" | "attempt">;

function act({ run, path, resources }: Ctx): void {
  record(String(resources["ledger"]), "begin", run.id, path, process.pid);
}

/** Ends when the test lets it, by making the file `<ledger>.<name>`. */
const held =
  (name: string) =>
  async (value: number, ctx: Ctx): Promise<string> => {
    act(ctx);
    await until(`${String(ctx.resources["ledger"])}.${name}`, ctx.signal);
    return `${name} of ${value} by ${process.pid}`;
  };

/** A group of three members, one of which takes as long as the test wants, and what comes after the barrier. */
export const group: Flow<number, string> = flow("group", { version: "1" })
  .input(z.number())
  .parallel("members", {
    quick: (b) => b.step("quick", (n: number, ctx) => (act(ctx), `quick of ${n}`)),
    other: (b) => b.step("other", (n: number, ctx) => (act(ctx), `other of ${n}`)),
    held: (b) => b.step("held", held("held")),
  })
  .step("after", ({ quick, other, held: last }, ctx) => {
    act(ctx);
    return [quick, other, last].join(", ");
  })
  .build();

/** Members read what was set before the group, and write what comes after it sees. */
export const channel: Flow<number, { readonly seen: string[]; readonly total: number }> = flow("channel", {
  version: "1",
})
  .input(z.number())
  .context(
    z.object({ base: z.number().default(0), seen: z.array(z.string()).default([]), total: z.number().default(0) }),
  )
  .step("set", (n, ctx) => {
    ctx.context.base = n;
    return [1, 2, 3, 4, 5, 6, 7, 8];
  })
  .map(
    "members",
    (items) => items,
    (b) =>
      b.step("member", (item, ctx) => {
        act(ctx);
        ctx.context.seen.push(`${item}:${ctx.context.base}`);
        ctx.context.total += ctx.context.base * item;
        return item;
      }),
    { concurrency: 8, merge: { reducers: { seen: "append", total: "sum" } } },
  )
  .step("read", (_, { context: { seen, total } }) => ({ seen, total }))
  .build();

/** Five members each count a hundred times. */
export const counter: Flow<unknown, number> = flow("counter", { version: "1" })
  .input(z.unknown())
  .context(z.object({ count: z.number().default(0) }))
  .map(
    "members",
    () => [1, 2, 3, 4, 5],
    (b) =>
      b.times("again", 100, (c) =>
        c.step("add", (item, ctx) => {
          ctx.context.count += 1;
          return item;
        }),
      ),
    { concurrency: 5, merge: { reducers: { count: "sum" } } },
  )
  .step("read", (_, { context }) => context.count)
  .build();

/** Five members each add one to a number in a file, ten times: read, wait, write. Only a lock makes that exact. */
export const locked: Flow<unknown, number> = flow("locked", { version: "1" })
  .input(z.unknown())
  .map(
    "members",
    () => [1, 2, 3, 4, 5],
    (b) =>
      b.times("again", 10, (c) =>
        c.step(
          "add",
          async (item, ctx) => {
            act(ctx);
            const count = readCount(ctx);
            await setImmediate();
            writeFileSync(countFile(ctx), `${count + 1}`);
            return item;
          },
          { queue: "locks", key: () => "count" },
        ),
      ),
    { concurrency: 5 },
  )
  .step("read", (_, ctx) => readCount(ctx))
  .build();

const countFile = ({ resources }: Ctx): string => `${String(resources["ledger"])}.count`;
const readCount = (ctx: Ctx): number => (existsSync(countFile(ctx)) ? Number(readFileSync(countFile(ctx), "utf8")) : 0);

/** One member computes for so many milliseconds, the other waits as long. */
export const patient: Flow<number, Readonly<Record<string, number>>> = flow("patient", { version: "1" })
  .input(z.number())
  .parallel("members", {
    computing: (b) =>
      b.step("compute", (ms: number, ctx) => {
        act(ctx);
        const end = performance.now() + ms;
        while (performance.now() < end);
        return ms;
      }),
    waiting: (b) =>
      b.step("wait", async (ms: number, ctx) => {
        act(ctx);
        await new Promise((resolve) => setTimeout(resolve, ms));
        return ms;
      }),
  })
  .build();

/** Asks twice, with an answer of its own each time, the first with a deadline. */
export const asking: Flow<unknown, readonly unknown[]> = flow("asking-twice", { version: "1" })
  .input(z.unknown())
  .human("first", { question: () => "may we?", answer: z.string() })
  .step("keep", (answer, ctx) => {
    act(ctx);
    return answer;
  })
  .human("second", { question: (first) => `you said ${first}; sure?`, answer: z.boolean() })
  .step("end", (sure, ctx) => {
    act(ctx);
    return ["asked twice", sure] as const;
  })
  .build();
