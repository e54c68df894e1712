import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { CustomJoin, Join } from "../../src/dsl/options.ts";
import { completedSteps, eventsOf, gate } from "./reading.ts";
import { Scene, STORES } from "./scene.ts";

const boom = (name: string) => (): never => {
  throw new Error(`${name} broke`);
};

describe.each(STORES)("a parallel on %s", (store) => {
  it("gives every branch the same value and joins a record in declared order", async () => {
    await using scene = new Scene(store);
    const both = flow("both", { version: "1" })
      .input(z.object({ n: z.number() }))
      .parallel("both", {
        late: (b) =>
          b.step("change", (value) => {
            value.n += 100; // its own copy
            return value.n;
          }),
        early: (b) => b.step("read", ({ n }) => n),
      })
      .build();
    const result = await scene.open({ flows: [both] }).run(both, { n: 1 });
    expect(result).toMatchObject({ status: "completed" });
    expect(result.status === "completed" && Object.entries(result.output)).toEqual([
      ["late", 101],
      ["early", 1],
    ]);
  });

  it("keeps to its window", async () => {
    await using scene = new Scene(store);
    let now = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setImmediate(resolve));
      now -= 1;
    };
    const narrow = flow("narrow", { version: "1" })
      .parallel(
        "all",
        {
          a: (b) => b.step("a", work),
          b: (b) => b.step("b", work),
          c: (b) => b.step("c", work),
          d: (b) => b.step("d", work),
        },
        { concurrency: 2 },
      )
      .build();
    expect(await scene.open({ flows: [narrow] }).run(narrow, 0)).toMatchObject({ status: "completed" });
    expect(most).toBe(2);
  });

  it("runs only the branches that are chosen, and says which", async () => {
    await using scene = new Scene(store);
    const some = flow("some", { version: "1" })
      .input(z.array(z.enum(["a", "b", "c"])))
      .parallel(
        "some",
        {
          a: (b) => b.step("a", () => "A"),
          b: (b) => b.step("b", () => "B"),
          c: (b) => b.step("c", () => "C"),
        },
        { choose: (names) => names },
      )
      .build();
    const flujo = scene.open({ flows: [some] });
    const result = await flujo.run(some, ["c", "a", "c"]);
    expect(result).toMatchObject({ output: { c: "C", a: "A" } });
    expect(await eventsOf(flujo, result.runId, "fork.opened")).toMatchObject([{ total: 2, names: ["c", "a"] }]);
    expect(await flujo.run(some, [])).toMatchObject({ status: "completed", output: {} });
  });

  it("fails when a branch is chosen that it does not have", async () => {
    await using scene = new Scene(store);
    const astray = flow("astray", { version: "1" })
      .parallel("ways", { left: (b) => b.step("left", () => 1) }, { choose: () => ["right" as "left"] })
      .build();
    expect(await scene.open({ flows: [astray] }).run(astray, 0)).toMatchObject({
      status: "failed",
      failure: { code: "BRANCH_UNKNOWN", message: 'expected names among left but found "right"', at: "root/ways" },
    });
  });

  it.each<readonly [string, unknown]>([
    ["null", null],
    ["string", "left"],
    ["number", 7],
    ["undefined", undefined],
    ['"7"', [7]],
    ['"Symbol(left)"', [Symbol("left")]],
    ['"undefined"', [undefined]],
  ])("fails, and is not stuck, when its choice is no list of names: %s", async (found, choice) => {
    await using scene = new Scene(store);
    const astray = flow("astray", { version: "1" })
      .parallel("ways", { left: (b) => b.step("left", () => 1) }, { choose: () => choice as never })
      .build();
    const signal = AbortSignal.timeout(3_000);
    expect(await scene.open({ flows: [astray] }).run(astray, 0, { signal })).toMatchObject({
      status: "failed",
      failure: { code: "BRANCH_UNKNOWN", message: `expected names among left but found ${found}` },
    });
  });

  it("nests in itself to any depth", async () => {
    await using scene = new Scene(store);
    const deep = flow("deep", { version: "1" })
      .input(z.number())
      .parallel("one", {
        a: (b) =>
          b.parallel("two", {
            a: (c) => c.parallel("three", { a: (d) => d.step("x", (n) => n + 1), b: (d) => d.step("y", (n) => n + 2) }),
            b: (c) => c.step("z", (n) => n + 3),
          }),
        b: (b) =>
          b.times("again", 3, (c) =>
            c.parallel("p", { q: (d) => d.step("q", (n) => n + 1) }).step("out", ({ q }) => q),
          ),
      })
      .build();
    expect(await scene.open({ flows: [deep] }).run(deep, 0)).toMatchObject({
      output: { a: { a: { a: 1, b: 2 }, b: 3 }, b: 3 },
    });
  });
});

/** Three branches, of which `broken` throw, under a join policy. */
const joined = <How extends Join>(how: How | CustomJoin, broken: readonly string[]) => {
  const branch = (name: string) => (): string => {
    if (broken.includes(name)) boom(name)();
    return name;
  };
  return flow("joined", { version: "1" })
    .parallel(
      "all",
      {
        a: (b) => b.step("a", branch("a")),
        b: (b) => b.step("b", branch("b")),
        c: (b) => b.step("c", branch("c")),
      },
      { join: how as "settled", concurrency: 1 },
    )
    .build();
};
const good = (value: string): unknown => ({ status: "fulfilled", value });
const bad = (name: string): unknown => ({
  status: "rejected",
  reason: { code: "STEP_FAILED", message: `${name} broke` },
});

describe.each(STORES)("a join on %s", (store) => {
  it.each<readonly [string, Join | CustomJoin, readonly string[], unknown]>([
    ["all", "all", [], { a: "a", b: "b", c: "c" }],
    ["settled, with failures", "settled", ["b"], { a: good("a"), b: bad("b"), c: good("c") }],
    ["settled, with nothing but failures", "settled", ["a", "b", "c"], { a: bad("a"), b: bad("b"), c: bad("c") }],
    ["any", "any", ["a"], "b"],
    ["at least two", { atLeast: 2 }, ["a"], { a: bad("a"), b: good("b"), c: good("c") }],
    ["critical", { critical: ["a", "c"] }, ["b"], { a: good("a"), b: bad("b"), c: good("c") }],
    [
      "a function of its own",
      { custom: ({ succeeded }) => (succeeded === 2 ? "join" : "wait"), name: "two" },
      ["a"],
      { a: bad("a"), b: good("b"), c: good("c") },
    ],
  ])("is met: %s", async (_, how, broken, output) => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [] });
    expect(await flujo.run(joined(how, broken), 0)).toMatchObject({ status: "completed", output });
  });

  it.each<readonly [string, Join | CustomJoin, readonly string[], string, string]>([
    ["all", "all", ["b"], "STEP_FAILED", "b broke"],
    ["any", "any", ["a", "b", "c"], "JOIN_FAILED", "none of 3 children succeeded"],
    [
      "at least two",
      { atLeast: 2 },
      ["a", "b"],
      "JOIN_FAILED",
      "expected at least 2 of 3 children to succeed, but 2 failed",
    ],
    ["critical", { critical: ["b"] }, ["b"], "STEP_FAILED", "b broke"],
    ["a function that gives up", { custom: () => "fail" }, [], "JOIN_FAILED", 'the join policy "custom" gave up'],
    [
      "a function that waits for ever",
      { custom: () => "wait" },
      [],
      "JOIN_FAILED",
      'answered "wait" after the last of 3 children',
    ],
    ["a function that throws", { custom: boom("policy") }, [], "PREDICATE_FAILED", "policy broke"],
    [
      "a function that answers a promise",
      { custom: (() => Promise.reject(new Error("async"))) as never },
      [],
      "PREDICATE_FAILED",
      "expected a plain answer but found a promise",
    ],
  ])("is not met: %s", async (...[, how, broken, code, message]) => {
    await using scene = new Scene(store);
    const flujo = scene.open();
    expect(await flujo.run(joined(how, broken), 0)).toMatchObject({
      status: "failed",
      failure: { code, message: expect.stringContaining(message) as string },
    });
  });

  it("does not miss a critical branch that was not chosen", async () => {
    await using scene = new Scene(store);
    const some = flow("some", { version: "1" })
      .parallel(
        "all",
        { a: (b) => b.step("a", boom("a")), b: (b) => b.step("b", () => "b") },
        { choose: () => ["b"], join: { critical: ["a"] } },
      )
      .build();
    expect(await scene.open().run(some, 0)).toMatchObject({ status: "completed", output: { b: good("b") } });
  });

  it("cancels those that are not needed any more, and does not start the rest", async () => {
    await using scene = new Scene(store);
    const begun = gate();
    let aborted = 0;
    const race = flow("race", { version: "1" })
      .parallel(
        "race",
        {
          slow: (b) =>
            b.step(
              "slow",
              (_, { signal }) =>
                new Promise<string>((_resolve, reject) => {
                  signal.addEventListener("abort", () => {
                    aborted += 1;
                    reject(signal.reason as Error);
                  });
                  begun.open();
                }),
            ),
          fast: (b) =>
            b.step("fast", async () => {
              await begun.opened;
              return "fast";
            }),
          late: (b) => b.step("late", () => "late"),
        },
        { join: "any", concurrency: 2 },
      )
      .step("end", (winner) => `${winner} won`)
      .build();
    const flujo = scene.open({ flows: [race] });
    const result = await flujo.run(race, 0);
    expect(result).toMatchObject({ status: "completed", output: "fast won" });
    expect(aborted).toBe(1);
    expect(await completedSteps(flujo, result.runId)).toEqual(["root/race/fast/fast", "root/end"]);
  });

  it("waits for the children that it cancelled before it goes on", async () => {
    await using scene = new Scene(store);
    const begun = gate();
    const order: string[] = [];
    const careful = flow("careful", { version: "1" })
      .parallel(
        "race",
        {
          slow: (b) =>
            b.step("slow", async (_, { signal }) => {
              begun.open();
              await new Promise((resolve) => signal.addEventListener("abort", resolve));
              await new Promise((resolve) => setImmediate(resolve));
              order.push("slow is done");
            }),
          fast: (b) => b.step("fast", () => begun.opened),
        },
        { join: "any" },
      )
      .step("after", () => void order.push("after"))
      .build();
    expect(await scene.open().run(careful, 0)).toMatchObject({ status: "completed" });
    expect(order).toEqual(["slow is done", "after"]);
  });
});
