import { type } from "arktype";
import * as v from "valibot";
import { expectTypeOf } from "vitest";
import { z } from "zod";
import type { Body } from "../../src/dsl/builder.ts";
import { flow } from "../../src/dsl/flow.ts";
import type { Flow, FlowContext, FlowInput, FlowOutput } from "../../src/dsl/flow-type.ts";
import type { Settled } from "../../src/dsl/options.ts";
import type { Caught, First } from "../../src/dsl/outcome.ts";
import { step } from "../../src/dsl/step.ts";
import type { StepContext } from "../../src/dsl/context.ts";
import type { WorkerStepContext } from "../../src/worker/step-context.ts";
import type { RunId } from "../../src/domain/ids.ts";

/** What flows out of a builder. */
const value = <Value>(builder: { readonly "~value": Value }): Value => builder["~value"];

const start = flow("types", { version: "1" })
  .input(z.object({ url: z.string(), depth: z.number().default(1) }))
  .context(z.object({ seen: z.array(z.string()).default([]) }));
const text = start.step("text", async ({ url, depth }, { context, signal, attempt }) => {
  expectTypeOf(depth).toEqualTypeOf<number>();
  expectTypeOf(attempt).toEqualTypeOf<number>();
  expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
  context.seen.push(url);
  return url;
});
expectTypeOf(value(text)).toEqualTypeOf<string>();

// Transactional steps: the handle is what the author says, everything else is inferred.
interface Client {
  query(sql: string): Promise<number>;
}
const counted = text.transaction("count", async (tx: Client, line, { context }) => {
  expectTypeOf(line).toEqualTypeOf<string>();
  context.seen.push(line);
  return tx.query("…");
});
expectTypeOf(value(counted)).toEqualTypeOf<number>();
text.transaction("any", (tx, line) => {
  expectTypeOf(tx).toEqualTypeOf<unknown>();
  return line;
});
text.step("keyed", (line) => line.length, { key: (line, { context }) => `${line}${context.seen.length}` });
// @ts-expect-error a key is text
text.step("keyed", (line) => line.length, { key: (line) => line.length });

// Steps.
expectTypeOf(value(text.step("s", (s) => s.length))).toEqualTypeOf<number>();
expectTypeOf(value(text.step("s", async () => {}))).toEqualTypeOf<void>();
expectTypeOf(value(text.step("s", (s) => JSON.parse(s), { output: z.object({ a: z.number() }) }))).toEqualTypeOf<{
  a: number;
}>();
expectTypeOf(value(text.step("s", (s): unknown => s, { output: v.object({ a: v.number() }) }))).toEqualTypeOf<{
  a: number;
}>();
expectTypeOf(value(text.step("s", (s): unknown => s, { output: type({ a: "number" }) }))).toEqualTypeOf<{
  a: number;
}>();
expectTypeOf(
  value(
    text.step("s", async function* (s) {
      yield s;
      return 5;
    }),
  ),
).toEqualTypeOf<number>();
text.step("s", () => ({ id: 1 }), {
  compensate: ({ id }, { context }) =>
    expectTypeOf({ id, context }).toEqualTypeOf<{ id: number; context: { seen: string[] } }>(),
});
text.step("s", () => 1, {
  output: z.number().transform(String),
  compensate: { run: (out) => expectTypeOf(out).toEqualTypeOf<string>(), retry: 3 },
});

// Branches.
expectTypeOf(
  value(
    text.if(
      "i",
      (s) => s === "",
      (b) => b.step("x", () => 1),
    ),
  ),
).toEqualTypeOf<string | number>();
expectTypeOf(
  value(
    text.if(
      "i",
      (s, { context }) => context.seen.includes(s),
      (b) => b.step("x", () => 1),
      (b) => b.step("y", () => true),
    ),
  ),
).toEqualTypeOf<number | boolean>();
const chosen = text.step("n", (s) => s.length);
const select = (n: number): "few" | "many" => (n > 5 ? "many" : "few");
expectTypeOf(
  value(chosen.switch("s", select, { few: (b) => b.step("x", () => "a"), many: (b) => b.step("y", () => true) })),
).toEqualTypeOf<string | boolean>();
expectTypeOf(
  value(chosen.switch("s", (n) => (n > 5 ? "many" : "few"), { few: (b) => b.step("x", () => "a") })),
).toEqualTypeOf<string | number>();
expectTypeOf(
  value(
    chosen.switch("s", select, { few: (b) => b.step("x", () => "a") }, { default: (b) => b.step("d", () => null) }),
  ),
).toEqualTypeOf<string | null>();
expectTypeOf(value(chosen.switch("s", String, { few: (b) => b.step("x", () => "a") }))).toEqualTypeOf<
  string | number
>();

// Forks.
const both = { a: (b: Body<string>) => b.step("x", (s) => s.length), b: (b: Body<string>) => b.step("y", (s) => [s]) };
expectTypeOf(value(text.parallel("p", both))).toEqualTypeOf<{ a: number; b: string[] }>();
expectTypeOf(value(text.parallel("p", both, { concurrency: 1 }))).toEqualTypeOf<{ a: number; b: string[] }>();
expectTypeOf(value(text.parallel("p", both, { join: "any" }))).toEqualTypeOf<number | string[]>();
expectTypeOf(value(text.parallel("p", both, { join: "settled" }))).toEqualTypeOf<{
  a: Settled<number>;
  b: Settled<string[]>;
}>();
expectTypeOf(value(text.parallel("p", both, { join: { atLeast: 1 } }))).toEqualTypeOf<{
  a: Settled<number>;
  b: Settled<string[]>;
}>();
expectTypeOf(value(text.parallel("p", both, { join: { critical: ["a"] } }))).toEqualTypeOf<{
  a: Settled<number>;
  b: Settled<string[]>;
}>();
expectTypeOf(
  value(text.parallel("p", both, { join: { custom: ({ failed }) => (failed > 0 ? "fail" : "wait") } })),
).toEqualTypeOf<{ a: Settled<number>; b: Settled<string[]> }>();
expectTypeOf(value(text.parallel("p", both, { choose: (s) => (s === "" ? ["a"] : ["a", "b"]) }))).toEqualTypeOf<{
  a?: number;
  b?: string[];
}>();
expectTypeOf(
  value(
    text.parallel(
      "p",
      { a: (b) => b.step("x", (s) => s.length) },
      { choose: () => ["a"], merge: { fields: ["seen"], reducers: { seen: "union" } } },
    ),
  ),
).toEqualTypeOf<{ a?: number }>();
const list = text.step("l", (s) => s.split(","));
expectTypeOf(value(list.map("m", (b) => b.step("x", (s) => s.length)))).toEqualTypeOf<number[]>();
expectTypeOf(
  value(list.map("m", (b) => b.step("x", (s) => s.length), { concurrency: 3, join: "settled" })),
).toEqualTypeOf<Settled<number>[]>();
expectTypeOf(value(list.map("m", (b) => b.step("x", (s) => s.length), { join: "any" }))).toEqualTypeOf<number>();
expectTypeOf(
  value(
    text.map(
      "m",
      (s) => new Set([s.length]),
      (b) => b.step("x", (n) => n > 1),
      { join: { atLeast: 2 } },
    ),
  ),
).toEqualTypeOf<Settled<boolean>[]>();
expectTypeOf(
  value(
    list.map("m", (b) =>
      b.map(
        "n",
        (s) => [s, 1],
        (c) => c,
      ),
    ),
  ),
).toEqualTypeOf<(string | number)[][]>();

// Loops and sleeps keep the type.
expectTypeOf(
  value(chosen.loop("l", (b) => b.step("x", (n) => n + 1), { until: (n, { iteration }) => n + iteration > 5, max: 9 })),
).toEqualTypeOf<number>();
expectTypeOf(
  value(
    chosen
      .while(
        "l",
        (n) => n > 5,
        (b) => b.step("x", (n) => n + 1),
        { max: 9 },
      )
      .times("t", 3, (b) => b.sleep("z", "1 day")),
  ),
).toEqualTypeOf<number>();
expectTypeOf(value(chosen.sleep("z", (n) => n * 1000).sleepUntil("u", (n) => new Date(n)))).toEqualTypeOf<number>();

// Waits.
const paid = z.object({ amount: z.coerce.number() });
expectTypeOf(value(text.waitForSignal("w", "paid"))).toEqualTypeOf<unknown>();
expectTypeOf(value(text.waitForSignal("w", "paid", { schema: paid }))).toEqualTypeOf<{ amount: number }>();
expectTypeOf(
  value(text.waitForSignal("w", "paid", { schema: paid, deadline: "1h", onTimeout: (s) => s })),
).toEqualTypeOf<{ amount: number } | string>();
expectTypeOf(value(text.waitForAnySignal("w", { paid, cancelled: null }))).toEqualTypeOf<
  { readonly name: "paid"; readonly data: { amount: number } } | { readonly name: "cancelled"; readonly data: unknown }
>();
expectTypeOf(value(text.waitForAnySignal("w", ["a", "b"], { deadline: 5, onTimeout: () => null }))).toEqualTypeOf<
  { readonly name: "a"; readonly data: unknown } | { readonly name: "b"; readonly data: unknown } | null
>();
expectTypeOf(value(text.human("h", { message: (s) => s, answer: z.boolean() }))).toEqualTypeOf<boolean>();
expectTypeOf(value(text.human("h", { question: (s) => ({ s }) }))).toEqualTypeOf<unknown>();

// Calls.
const child = flow("child", { version: "1" })
  .input(z.object({ n: z.number().default(1) }))
  .step("x", ({ n }) => [n])
  .build();
expectTypeOf(child).toEqualTypeOf<Flow<{ n?: number | undefined }, number[], Record<string, unknown>>>();
expectTypeOf(value(text.call("c", child, { input: (s) => ({ n: s.length }) }))).toEqualTypeOf<number[]>();
expectTypeOf(value(text.step("n", () => ({ n: 1 })).call("c", child))).toEqualTypeOf<number[]>();
expectTypeOf(value(text.callMany("c", child, { inputs: (s) => [{ n: s.length }] }))).toEqualTypeOf<number[][]>();
expectTypeOf(value(text.callMany("c", child, { inputs: () => [{}], wait: "any" }))).toEqualTypeOf<First<number[]>>();
expectTypeOf(value(text.background("c", child, { input: () => ({}) }))).toEqualTypeOf<RunId>();
expectTypeOf(value(text.backgroundMany("c", child, { inputs: () => [] }))).toEqualTypeOf<RunId[]>();

// Attempts.
expectTypeOf(value(text.attempt("a", (b) => b.step("x", () => 1), { compensate: true }))).toEqualTypeOf<number>();
expectTypeOf(value(text.attempt("a", (b) => b.step("x", () => 1), { fallback: (b) => b }))).toEqualTypeOf<
  number | string
>();
expectTypeOf(value(text.attempt("a", (b) => b.step("x", () => 1), { catch: (b) => b }))).toEqualTypeOf<
  number | Caught<string>
>();

// Fragments.
const length = step("length", (s: string, { attempt }) => s.length + attempt);
const twice = (b: Body<string>) => b.use(length).step("twice", (n) => n * 2);
const seen = (b: Body<string, { seen: string[] }>) => b.step("seen", (s, { context }) => context.seen.includes(s));
expectTypeOf(value(text.use(length))).toEqualTypeOf<number>();
expectTypeOf(value(text.use(twice))).toEqualTypeOf<number>();
expectTypeOf(value(text.use(seen))).toEqualTypeOf<boolean>();
expectTypeOf(value(text.use(step("s", (s) => s.length)))).toEqualTypeOf<number>();
expectTypeOf(value(text.parallel("p", { length, twice }))).toEqualTypeOf<{ length: number; twice: number }>();
// @ts-expect-error the context has no `other`
text.use((b: Body<string, { other: string }>) => b);

// Flows.
const whole = text.step("end", (s) => ({ s })).build();
expectTypeOf<FlowInput<typeof whole>>().toEqualTypeOf<{ url: string; depth?: number | undefined }>();
expectTypeOf<FlowOutput<typeof whole>>().toEqualTypeOf<{ s: string }>();
expectTypeOf<FlowContext<typeof whole>>().toEqualTypeOf<{ seen: string[] }>();
const parsed = flow("parsed", { version: "1" })
  .output(z.object({ n: z.number().transform(String) }))
  .step("x", () => ({ n: 1 }))
  .build();
expectTypeOf<FlowOutput<typeof parsed>>().toEqualTypeOf<{ n: string }>();
const anyFlow: Flow = whole;
expectTypeOf(anyFlow.name).toEqualTypeOf<string>();
expectTypeOf(
  value(list.map("m", (b) => b, { join: { custom: ({ failed }) => (failed > 0 ? "fail" : "wait") } })),
).toEqualTypeOf<Settled<string>[]>();

// The worker gives what the builder promises.
expectTypeOf<WorkerStepContext>().toExtend<StepContext<unknown>>();
