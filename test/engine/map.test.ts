import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { MapJoin } from "../../src/dsl/options.ts";
import { completedSteps, eventsOf, gate } from "./reading.ts";
import { Scene, STORES } from "./scene.ts";

const odd = (n: number): number => {
  if (n % 2 === 0) throw new Error(`${n} is even`);
  return n * 10;
};

describe.each(STORES)("a map on %s", (store) => {
  it("keeps the order of its items, whatever order they end in", async () => {
    await using scene = new Scene(store);
    const last = gate();
    const reversed = flow("reversed", { version: "1" })
      .input(z.array(z.number()))
      .map("each", (b) =>
        b.step("work", async (n) => {
          if (n === 3) last.open();
          else await last.opened;
          return n * 10;
        }),
      )
      .build();
    const flujo = scene.open();
    const result = await flujo.run(reversed, [1, 2, 3]);
    expect(result).toMatchObject({ output: [10, 20, 30] });
    expect((await completedSteps(flujo, result.runId))[0]).toBe("root/each/body/work#2");
  });

  it("opens ten items at a time by default", async () => {
    await using scene = new Scene(store);
    let now = 0;
    let most = 0;
    const window = flow("window", { version: "1" })
      .map(
        "each",
        () => Array.from({ length: 25 }, (_, i) => i),
        (b) =>
          b.step("work", async () => {
            most = Math.max(most, ++now);
            await new Promise((resolve) => setImmediate(resolve));
            now -= 1;
          }),
      )
      .build();
    const flujo = scene.open();
    const { runId } = await flujo.run(window, 0);
    expect(most).toBe(10);
    const spawned = await eventsOf(flujo, runId, "fork.spawned");
    expect(spawned[0]).toMatchObject({ from: 0, to: 10 });
    expect(spawned.at(-1)).toMatchObject({ to: 25 });
  });

  it.each<readonly [string, unknown, readonly unknown[]]>([
    ["a set", new Set([1, 2]), [10, 20]],
    ["a map's entries", new Map([["a", 1]]), [["a", 1]]],
    ["items of every kind", [undefined, null, 1n, new Date(0)], [undefined, null, 1n, new Date(0)]],
    ["nothing", [], []],
  ])("runs over what its function gives: %s", async (_, items, output) => {
    await using scene = new Scene(store);
    const over = flow("over", { version: "1" })
      .map(
        "each",
        () => items as Iterable<unknown>,
        (b) => b.step("work", (item) => (typeof item === "number" ? item * 10 : item)),
      )
      .build();
    expect(await scene.open().run(over, 0)).toMatchObject({ status: "completed", output });
  });

  it("asks for its items once, also when its run is retried", async () => {
    await using scene = new Scene(store);
    scene.decidesBy("a list that has changed");
    let items = [1, 2, 3];
    let broken = true;
    const calls: number[] = [];
    const fixed = flow("fixed", { version: "1" })
      .map(
        "each",
        () => items,
        (b) =>
          b.step("work", (n) => {
            calls.push(n);
            if (broken && n === 2) throw new Error("not 2");
            return n;
          }),
        { concurrency: 1 },
      )
      .build();
    const flujo = scene.open();
    const { runId } = await flujo.run(fixed, 0);
    items = [7, 8, 9];
    broken = false;
    await flujo.retry(runId);
    expect(await flujo.handle(runId).output()).toEqual([1, 2, 3]);
    expect(calls).toEqual([1, 2, 2, 3]);
  });

  it.each<readonly [string, unknown, string]>([
    ["null", null, "expected an array to map over but found null"],
    ["a number", 7, "expected an array to map over but found number"],
    ["a record", { a: 1 }, "expected an array to map over but found object"],
    ["nothing", undefined, "expected an array to map over but found undefined"],
    ["text", "abc", "expected an array to map over but found string"],
    ["a promise", Promise.resolve([1]), "expected a plain answer but found a promise"],
    ["a list with a function in it", [() => 1], "cannot store a function"],
  ])("fails clearly when what it shall run over is %s", async (_, items, message) => {
    await using scene = new Scene(store);
    const over = flow("over", { version: "1" })
      .map(
        "each",
        () => items as never[],
        (b) => b.step("work", () => 1),
      )
      .build();
    const result = await scene.open().run(over, 0);
    expect(result).toMatchObject({
      status: "failed",
      failure: { message: expect.stringContaining(message) as string, at: "root/each" },
    });
  });

  it("fails clearly when the flowing value is no list", async () => {
    await using scene = new Scene(store);
    const over = flow("over", { version: "1" })
      .input(z.unknown())
      .step("list", (value) => value as number[])
      .map("each", (b) => b.step("work", (n) => n))
      .build();
    const flujo = scene.open();
    for (const input of [null, "abc", { length: 2 }, 3]) {
      expect(await flujo.run(over, input)).toMatchObject({ status: "failed", failure: { code: "ITEMS_INVALID" } });
    }
    expect(await flujo.run(over, [])).toMatchObject({ status: "completed", output: [] });
  });

  it.each<readonly [string, MapJoin, unknown]>([
    ["settled", "settled", [good(10), bad(2), good(30), bad(4)]],
    ["any", "any", 10],
    ["at least one", { atLeast: 1 }, [good(10)]],
  ])("tolerates failures of items under its join: %s", async (_, join, output) => {
    await using scene = new Scene(store);
    const tolerant = flow("tolerant", { version: "1" })
      .input(z.array(z.number()))
      .map("each", (b) => b.step("work", odd), { join: join as "settled", concurrency: 1 })
      .build();
    expect(await scene.open().run(tolerant, [1, 2, 3, 4])).toMatchObject({ status: "completed", output });
  });

  it("starts no further items after one failed", async () => {
    await using scene = new Scene(store);
    const calls: number[] = [];
    const strict = flow("strict", { version: "1" })
      .input(z.array(z.number()))
      .map(
        "each",
        (b) =>
          b.step("work", (n) => {
            calls.push(n);
            return odd(n);
          }),
        { concurrency: 2 },
      )
      .build();
    const result = await scene.open().run(strict, [1, 2, 3, 5, 7, 9, 11]);
    expect(result).toMatchObject({ status: "failed", failure: { message: "2 is even", at: "root/each/body/work#1" } });
    expect(calls.length).toBeLessThan(5);
  });

  it("maps inside a map, each item with a visit of its own", async () => {
    await using scene = new Scene(store);
    const grid = flow("grid", { version: "1" })
      .input(z.array(z.array(z.number())))
      .map("rows", (row) => row.map("cells", (cell) => cell.step("square", (n, { visit }) => `${visit}:${n * n}`)))
      .build();
    expect(await scene.open().run(grid, [[1, 2], [], [3]])).toMatchObject({
      output: [["0.0:1", "0.1:4"], [], ["2.0:9"]],
    });
  });

  it("carries a thousand items", async () => {
    await using scene = new Scene(store);
    const many = flow("many", { version: "1" })
      .input(z.number())
      .map(
        "each",
        (n) => Array.from({ length: n }, (_, i) => i),
        (b) => b.step("add", (n) => n + 1),
        { concurrency: 100 },
      )
      .step("sum", (all) => all.reduce((a, b) => a + b, 0))
      .build();
    expect(await scene.open().run(many, 1_000)).toMatchObject({ output: 500_500 });
  });
});

function good(value: number): unknown {
  return { status: "fulfilled", value };
}
function bad(n: number): unknown {
  return { status: "rejected", reason: { code: "STEP_FAILED", message: `${n} is even` } };
}
