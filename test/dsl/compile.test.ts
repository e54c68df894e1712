import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Workspace } from "./compile.ts";

let workspace: Workspace;
beforeAll(() => {
  workspace = new Workspace();
});
afterAll(() => workspace[Symbol.dispose]());

const times = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => line(i)).join("\n");
const expert = `import { agent } from "./out/agents/agent.js";
export const expert = agent({ name: "e", model: "openai:gpt-4o", prompt: (given: { topic: string }) => given.topic });`;
const program = (chain: string): string =>
  `import { flow } from "./out/dsl/flow.js";\n${expert}\nexport const built = flow("f", { version: "1" })\n${chain}\n.build();\n`;
const empty = `import { flow } from "./out/dsl/flow.js";\n${expert}\nexport const built: unknown = flow;\n`;

/** Every kind of construct, each with types of its own. */
const MIXED: readonly ((i: number) => string)[] = [
  (i) => `.step("s${i}", async () => ({ n${i}: 1 }), { retry: 3 })`,
  (i) => `.if("s${i}", (v) => v !== null, (b) => b.step("x", () => ({ x${i}: 1 })), (b) => b.step("y", () => "s"))`,
  (i) => `.parallel("s${i}", { a: (b) => b.step("x", () => ${i}), b: (b) => b.step("y", () => "") })`,
  (i) => `.loop("s${i}", (b) => b.step("x", (v) => v), { until: () => true, max: 3 })`,
  (i) => `.step("l${i}", () => [${i}]).map("s${i}", (b) => b.step("x", (n) => ({ y${i}: n })))`,
  (i) =>
    `.switch("s${i}", (v) => (v.length > 1 ? "a" : "b"), { a: (b) => b.step("x", () => ${i}), b: (b) => b.step("y", () => "") })`,
];

describe("the compiler's work, in instantiations above an empty program", () => {
  it.each([
    [
      "100 asynchronous steps",
      20_000,
      times(100, (i) => `.step("s${i}", async (v) => ({ n${i}: 1, before: v !== null }), { retry: 3 })`),
    ],
    [
      "100 steps with their input and context",
      20_000,
      times(100, (i) => `.step("s${i}", (v, ctx) => ({ n${i}: ctx.attempt, v: typeof v }))`),
    ],
    [
      "100 agents, each with a step before it",
      20_000,
      times(
        100,
        (i) => `.step("s${i}", () => ({ topic: "s" })).agent("a${i}", expert, { granular: true, maxTurns: 3 })`,
      ),
    ],
    ["100 mixed constructs with 83 steps inside", 30_000, times(100, (i) => MIXED[i % MIXED.length]?.(i) ?? "")],
  ])("%s cost at most %d", (_what, most, chain) => {
    const { instantiations, messages } = workspace.compile({ program: program(chain) });
    expect(messages.get("program")).toBe("");
    expect(instantiations - workspace.compile({ empty }).instantiations).toBeLessThanOrEqual(most);
  });
});

const REFUSED: readonly (readonly [what: string, sentence: string, chain: string])[] = [
  ["an asynchronous condition", "this function must be synchronous", `.if("x", async () => true, (b) => b)`],
  ["an asynchronous selector", "this function must be synchronous", `.switch("x", async () => "a", { a: (b) => b })`],
  [
    "an asynchronous until",
    "this function must be synchronous",
    `.loop("x", (b) => b, { until: async () => true, max: 3 })`,
  ],
  ["an asynchronous while", "this function must be synchronous", `.while("x", async () => true, (b) => b, { max: 3 })`],
  ["asynchronous items", "this function must be synchronous", `.map("x", async () => [1], (b) => b)`],
  [
    "an asynchronous choice",
    "this function must be synchronous",
    `.parallel("x", { a: (b) => b }, { choose: async () => ["a" as const] })`,
  ],
  ["an asynchronous duration", "this function must be synchronous", `.sleep("x", async () => 5)`],
  ["an asynchronous instant", "this function must be synchronous", `.sleepUntil("x", async () => 5)`],
  [
    "an asynchronous deadline",
    "this function must be synchronous",
    `.waitForSignal("x", "s", { deadline: async () => 5 })`,
  ],
  ["an asynchronous message", "this function must be synchronous", `.human("x", { message: async () => "?" })`],
  [
    "an asynchronous onTimeout",
    "this function must be synchronous",
    `.waitForSignal("x", "s", { schema: z.string(), deadline: 1, onTimeout: async () => 5 }).step("y", (v) => v.toUpperCase())`,
  ],
  [
    "an asynchronous input of a call",
    "this function must be synchronous",
    `.call("x", child, { input: async () => ({ a: 1 }) })`,
  ],
  [
    "a case that is never selected",
    "the selector never gives this case",
    `.switch("x", () => (Math.random() > 1 ? "a" : "b"), { a: (b) => b, c: (b) => b })`,
  ],
  [
    "a loop body that changes the type",
    "the body of a loop must give back the type it was given",
    `.step("n", () => "s").loop("x", (b) => b.step("y", () => 5), { until: () => true, max: 3 })`,
  ],
  [
    "a loop body that ends in a partial if",
    "the body of a loop must give back the type it was given",
    `.step("n", () => "s").times("x", 2, (b) => b.step("y", () => 5).if("q", () => true, (c) => c.step("z", () => "s")))`,
  ],
  [
    "a loop body that ends in any data",
    "the body of a loop must give back the type it was given",
    `.step("n", () => "s").times("x", 2, (b) => b.waitForSignal("w", "go"))`,
  ],
  ["a map over no list", "the flowing value is no list", `.step("n", () => 5).map("x", (b) => b)`],
  ["a map over text", "the flowing value is no list", `.step("n", () => "text").map("x", (b) => b)`],
  [
    "a critical branch that does not exist",
    "names a branch that does not exist",
    `.parallel("x", { a: (b) => b }, { join: { critical: ["z"] } }).step("y", () => 1)`,
  ],
  [
    "a choice that does not exist",
    "names a branch that does not exist",
    `.parallel("x", { a: (b) => b }, { choose: () => ["z"] }).step("y", () => 1)`,
  ],
  [
    "a call with the wrong value",
    "the flowing value is not what this flow takes",
    `.step("n", () => 5).call("x", child)`,
  ],
  [
    "an agent for another value",
    "Property 'topic' is missing in type '{ name: string; }' but required in type '{ topic: string; }'",
    `.step("n", () => ({ name: "x" })).agent("x", expert)`,
  ],
  [
    "an option that no agent has",
    "Did you mean to write 'maxTurns'?",
    `.step("n", () => ({ topic: "x" })).agent("x", expert, { maxturns: 3 })`,
  ],
  [
    "an agent whose answer the next step does not take",
    "Property 'toFixed' does not exist on type 'string'",
    `.step("n", () => ({ topic: "x" })).agent("x", expert).step("y", (text) => text.toFixed())`,
  ],
  [
    "a tool that takes what its schema does not give",
    "Property 'size' does not exist on type '{ n: number; }'",
    `.step("n", () => tool({ name: "t", description: "", input: z.object({ n: z.number() }), run: (given) => given.size }))`,
  ],
  ["building a body", "only a whole flow can be built", `.if("x", () => true, (b) => b.step("y", () => b.build()))`],
  [
    "a fragment for another value",
    "'number' is not assignable to type 'string'",
    `.step("n", () => 5).use(step("f", (text: string) => text))`,
  ],
  ["a duration without a unit", `'"5 parsecs"' is not assignable`, `.sleep("x", "5 parsecs")`],
  ["an unknown join", `'"most"' is not assignable`, `.parallel("x", { a: (b) => b }, { join: "most" })`],
];

describe("wrong wiring is a type error that says what is wrong", () => {
  let messages: ReadonlyMap<string, string>;
  beforeAll(() => {
    const head = [
      `import { z } from "zod";`,
      `import { step } from "./out/dsl/step.js";`,
      `import { flow } from "./out/dsl/flow.js";`,
      `export const child = flow("child", { version: "1" }).input(z.object({ a: z.number() })).step("a", () => 1).build();`,
      `import { tool } from "./out/agents/tool.js";`,
      expert,
      "export { step, tool };",
    ].join("\n");
    const programs = REFUSED.map(([, , chain], i) => [
      `wrong${i}`,
      `${head}\nexport const built = flow("f", { version: "1" })\n${chain}\n.build();\n`,
    ]);
    const output = `${head}\nflow("f", { version: "1" }).output(z.object({ a: z.number() })).step("x", () => ({ a: "s" })).build();\n`;
    messages = workspace.compile({ ...Object.fromEntries(programs), output, right: head }).messages;
  });

  it.each(REFUSED.map(([what, sentence], i) => ({ what, sentence, name: `wrong${i}` })))(
    "$what",
    ({ sentence, name }) => {
      expect(messages.get(name)).toContain(sentence);
    },
  );

  it("a last value that the output schema does not take", () => {
    expect(messages.get("output")).toContain("the last value is not what the output schema takes");
  });

  it("and nothing else is", () => {
    expect(messages.get("right")).toBe("");
  });
});

describe("the published declarations", () => {
  it("name no validator and no any", () => {
    const out = join(workspace.folder, "out");
    const files = readdirSync(out, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".d.ts"));
    expect(files.length).toBeGreaterThan(10);
    const text = files
      .map((name) => readFileSync(join(out, name), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, ""))
      .join("\n");
    expect(text).not.toMatch(/\bzod\b|\bvalibot\b|\barktype\b/);
    expect(text).not.toMatch(/[:<,|&(]\s*any\b/);
  });
});
