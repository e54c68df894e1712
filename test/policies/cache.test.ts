import { flow, type Observation } from "flujo";
import { memoryStore } from "flujo/testing";
import { Flujo } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { CacheOptions } from "../../src/dsl/around.ts";
import type { Store } from "../../src/ports/store.ts";
import { factsOf, listening, lone } from "./bench.ts";

/** A flow whose step counts how often it really runs. */
function counting(cache: true | CacheOptions<unknown, Record<string, unknown>> = true, name = "counting") {
  let calls = 0;
  const built = lone(
    (input) => {
      calls += 1;
      return { input, calls };
    },
    { cache },
    name,
  );
  return { built, calls: () => calls };
}

describe("a cached step", () => {
  it("runs once for one input, and says of a hit that it is one", async () => {
    const seen: Observation[] = [];
    const { runner } = listening({ observers: [{ observe: (told) => void seen.push(told) }] });
    await using _ = runner;
    const { built, calls } = counting();
    const first = await runner.run(built, "a");
    const second = await runner.run(built, "a");
    expect(second).toMatchObject({ status: "completed", output: { input: "a", calls: 1 } });
    expect(calls()).toBe(1);
    const [ran] = await factsOf(runner.flujo, first.runId, "step.completed");
    const [kept] = await factsOf(runner.flujo, second.runId, "step.completed");
    expect([ran?.cacheHit, kept?.cacheHit]).toEqual([undefined, true]);
    await runner.close();
    const told = seen.filter((one) => one.kind === "step.completed");
    expect(told.map(({ cacheHit }) => cacheHit)).toEqual([undefined, true]);
  });

  it("runs again for another input", async () => {
    const { runner } = listening();
    await using _ = runner;
    const { built, calls } = counting();
    for (const input of ["a", "b", { a: 1, b: 2 }, { b: 2, a: 1 }]) await runner.run(built, input);
    expect(calls()).toBe(3); // the order of keys says nothing
  });

  it("is the same step in another flow, and another one when its function has another text", async () => {
    const { runner } = listening();
    await using _ = runner;
    const [one, other] = [counting(true, "one"), counting(true, "other")];
    await runner.run(one.built, 1);
    await runner.run(other.built, 1);
    expect([one.calls(), other.calls()]).toEqual([1, 0]);
    const different = await runner.run(
      lone(() => "different", { cache: true }),
      1,
    );
    expect(different).toMatchObject({ output: "different" });
  });

  it("forgets when its time is over", async () => {
    const { runner } = listening();
    await using _ = runner;
    const { built, calls } = counting({ ttl: "10s" });
    await runner.run(built, 1);
    runner.clock.jump(9_999);
    await runner.run(built, 1);
    expect(calls()).toBe(1);
    runner.clock.jump(1);
    await runner.run(built, 1);
    expect(calls()).toBe(2);
  });

  it.each<readonly [string, CacheOptions<unknown, Record<string, unknown>>, number]>([
    ["all of the context", {}, 2],
    ["named fields of it", { context: ["tenant"] }, 1],
    ["a key of its own", { key: (_, { context }) => context["tenant"] }, 1],
  ])("depends on %s", async (_what, cache, expected) => {
    const { runner } = listening();
    await using _ = runner;
    const { built, calls } = counting(cache);
    await runner.run(built, 1, { context: { tenant: "a", noise: 1 } });
    await runner.run(built, 1, { context: { tenant: "a", noise: 2 } });
    expect(calls()).toBe(expected);
    await runner.run(built, 1, { context: { tenant: "b", noise: 2 } });
    expect(calls()).toBe(expected + 1);
  });

  it("changes the context on a hit as the step did, and leaves the rest", async () => {
    const { runner } = listening();
    await using _ = runner;
    const built = flow("changing", { version: "1" })
      .step(
        "work",
        (_input, ctx) => {
          ctx.context["sum"] = 5;
          delete ctx.context["draft"];
        },
        { cache: { context: ["draft"] } },
      )
      .step("look", (_input, ctx) => ctx.context)
      .build();
    await runner.run(built, 1, { context: { draft: "x", mine: 1 } });
    const hit = await runner.run(built, 1, { context: { draft: "x", mine: 2 } });
    expect(hit).toMatchObject({ output: { mine: 2, sum: 5 } });
    expect(hit).not.toMatchObject({ output: { draft: "x" } });
  });

  it("fails when what it changes breaks the schema of the context now", async () => {
    const { runner } = listening();
    await using _ = runner;
    const changing = (limit: number) =>
      flow(`limit-${limit}`, { version: "1" })
        .context(z.object({ sum: z.number().max(limit).default(0) }))
        .step("work", (_input, ctx) => void (ctx.context.sum = 5), { cache: { name: "changing" } })
        .build();
    expect(await runner.run(changing(9), 1)).toMatchObject({ status: "completed" });
    expect(await runner.run(changing(1), 1)).toMatchObject({ status: "failed", failure: { code: "CONTEXT_INVALID" } });
  });

  it("keeps neither failures nor what an invariant refuses", async () => {
    const { runner } = listening();
    await using _ = runner;
    let calls = 0;
    const built = lone(() => (calls += 1), { cache: true, invariants: [(output) => (output as number) > 1] });
    expect(await runner.run(built, 1)).toMatchObject({ failure: { code: "INVARIANT_VIOLATED" } });
    expect(await runner.run(built, 1)).toMatchObject({ status: "completed", output: 2 });
    expect(await runner.run(built, 1)).toMatchObject({ output: 2 });
  });

  it("does not share what it keeps", async () => {
    const { runner } = listening();
    await using _ = runner;
    const built = flow("changed", { version: "1" })
      .step("work", () => ({ list: [1] }), { cache: true })
      .step("change", (value) => {
        value.list.push(2);
        return value;
      })
      .build();
    await runner.run(built, 1);
    expect(await runner.run(built, 1)).toMatchObject({ output: { list: [1, 2] } });
  });

  it("waits for the same work of others in this process, and does it when they fail", async () => {
    const { runner } = listening();
    await using _ = runner;
    let calls = 0;
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const built = flow("shared", { version: "1" })
      .map(
        "all",
        () => ["x", "x", "x"],
        (b) =>
          b.step(
            "work",
            async () => {
              calls += 1;
              const mine = calls;
              if (mine === 1) {
                await gate;
                throw new Error("the first one fails");
              }
              return mine;
            },
            { cache: true },
          ),
        { join: "settled" },
      )
      .build();
    const running = runner.run(built, 1);
    while (calls === 0) await new Promise((resolve) => setImmediate(resolve));
    release();
    const result = await running;
    expect(calls).toBe(2);
    expect(result).toMatchObject({ output: [{ status: "rejected" }, { value: 2 }, { value: 2 }] });
  });

  it("stops waiting for others when it is told to", async () => {
    const { runner } = listening();
    await using _ = runner;
    let release = (): void => undefined;
    let begun = 0;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const work = async (): Promise<string> => {
      begun += 1;
      await gate;
      return "done";
    };
    const first = await runner.start(lone(work, { cache: true }, "first"), 1);
    const second = runner.run(lone(work, { cache: true, timeout: "1s" }, "second"), 1);
    while (begun === 0) await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    await runner.clock.advance(1_000);
    expect(await second).toMatchObject({ failure: { code: "STEP_TIMEOUT" } });
    release();
    expect(await runner.await(first)).toMatchObject({ output: "done" });
    expect(begun).toBe(1);
  });

  it("runs uncached, and says so, when no key can be made", async () => {
    const { runner, lines } = listening();
    await using _ = runner;
    const { built, calls } = counting({
      key: () => {
        throw new Error("no key");
      },
    });
    await runner.run(built, 1);
    await runner.run(built, 1);
    expect(calls()).toBe(2);
    expect(lines.map(({ message }) => message)).toContain("no cache key can be made: the step runs uncached");
  });
});

describe("a cache in the store", () => {
  const cache = { scope: "store" } as const;

  it("is there for other processes", async () => {
    const store = memoryStore();
    const { built, calls } = counting(cache);
    for (let i = 0; i < 2; i++) {
      await using flujo = new Flujo({ store });
      expect(await flujo.run(built, 1)).toMatchObject({ output: { calls: 1 } });
    }
    expect(calls()).toBe(1);
    await store.close();
  });

  it.each(["getItems", "putItems"] as const)("is left out, and says so, when %s fails", async (operation) => {
    const store = memoryStore();
    const broken: Store = new Proxy(store, {
      get: (target, name) => {
        if (name === operation) return () => Promise.reject(new Error("the cache is down"));
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
    const said: string[] = [];
    await using flujo = new Flujo({ store: broken, logger: { log: (_level, message) => void said.push(message) } });
    const { built, calls } = counting(cache);
    await flujo.run(built, 1);
    expect(await flujo.run(built, 1)).toMatchObject({ status: "completed" });
    expect(calls()).toBe(2);
    expect(said.some((message) => message.includes("the cache"))).toBe(true);
    await store.close();
  });
});

describe("a flow cannot be built with a cache", () => {
  it.each([
    [
      "of what has a compensation",
      () => lone(() => 1, { cache: true, compensate: () => undefined }),
      "nothing to undo",
    ],
    [
      "of a transaction",
      () =>
        flow("x", { version: "1" })
          .transaction("work", () => Promise.resolve(1), { cache: true })
          .build(),
      "transaction",
    ],
    ["with a key and a context", () => lone(() => 1, { cache: { key: () => 1, context: ["a"] } }), "choose one"],
    ["that keeps nothing", () => lone(() => 1, { cache: { ttl: 0 } }), "cache.ttl"],
  ])("%s", (_what, build, says) => {
    expect(build).toThrow(says);
  });
});
