import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { completedSteps, eventsOf } from "./reading.ts";
import { Scene, STORES } from "./scene.ts";

describe.each(STORES)("a loop on %s", (store) => {
  it("repeats until its condition holds, which it asks after each iteration", async () => {
    await using scene = new Scene(store);
    const asked: [number, number][] = [];
    const grow = flow("grow", { version: "1" })
      .input(z.number())
      .loop("grow", (b) => b.step("double", (n) => n * 2), {
        until: (n, { iteration }) => {
          asked.push([n, iteration]);
          return n > 5;
        },
        max: 10,
      })
      .build();
    const flujo = scene.open();
    const result = await flujo.run(grow, 1);
    expect(result).toMatchObject({ output: 8 });
    expect(new Set(asked.map(String))).toEqual(new Set(["2,1", "4,2", "8,3"]));
    expect(await completedSteps(flujo, result.runId)).toEqual([1, 2, 3].map((i) => `root/grow/body/double#${i}`));
    expect((await eventsOf(flujo, result.runId, "loop.decided")).map(({ again }) => again)).toEqual([
      true,
      true,
      false,
    ]);
  });

  it("runs its body at least once, and a while maybe never", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open();
    const once = flow("once", { version: "1" })
      .input(z.number())
      .loop("l", (b) => b.step("add", (n) => n + 1), { until: () => true, max: 1 })
      .build();
    const never = flow("never", { version: "1" })
      .input(z.number())
      .while(
        "w",
        () => false,
        (b) => b.step("add", (n) => n + 1),
        { max: 1 },
      )
      .build();
    expect(await flujo.run(once, 0)).toMatchObject({ output: 1 });
    expect(await flujo.run(never, 0)).toMatchObject({ output: 0 });
  });

  it("stops a while when its condition no longer holds", async () => {
    await using scene = new Scene(store);
    const count = flow("count", { version: "1" })
      .input(z.number())
      .while(
        "below",
        (n) => n < 5,
        (b) => b.step("add", (n) => n + 1),
        { max: 5 },
      )
      .build();
    const flujo = scene.open();
    expect(await flujo.run(count, 0)).toMatchObject({ output: 5 }); // max is enough when it is just enough
    expect(await flujo.run(count, 9)).toMatchObject({ output: 9 });
  });

  it.each([0, 1, 3])("runs a body %d times", async (times) => {
    await using scene = new Scene(store);
    const counted = flow("counted", { version: "1" })
      .input(z.number())
      .times("again", times, (b) => b.step("add", (n) => n + 1))
      .build();
    expect(await scene.open().run(counted, 0)).toMatchObject({ output: times });
  });

  it.each(["loop", "while"] as const)("fails when a %s does not end within its bound", async (kind) => {
    await using scene = new Scene(store);
    const start = flow("endless", { version: "1" }).input(z.number());
    const endless =
      kind === "loop"
        ? start.loop("again", (b) => b.step("add", (n) => n + 1), { until: () => false, max: 3 }).build()
        : start
            .while(
              "again",
              () => true,
              (b) => b.step("add", (n) => n + 1),
              { max: 3 },
            )
            .build();
    const flujo = scene.open();
    const result = await flujo.run(endless, 0);
    expect(result).toMatchObject({
      status: "failed",
      failure: {
        code: "LOOP_LIMIT",
        message: "expected the loop to end within 3 iterations, but its condition still asks for more",
        at: "root/again",
      },
    });
    expect(await completedSteps(flujo, result.runId)).toHaveLength(3);
  });

  it("fails when its condition throws, with the iteration it was in", async () => {
    await using scene = new Scene(store);
    const broken = flow("broken", { version: "1" })
      .input(z.number())
      .loop("again", (b) => b.step("add", (n) => n + 1), {
        until: (n) => {
          if (n === 2) throw new Error("lost count");
          return false;
        },
        max: 9,
      })
      .build();
    expect(await scene.open().run(broken, 0)).toMatchObject({
      failure: { code: "PREDICATE_FAILED", message: "lost count", at: "root/again" },
    });
  });

  it.each<readonly [string, unknown]>([
    ["text", "no"],
    ["nothing", undefined],
    ["a number", 0],
    ["a promise", Promise.resolve(true)],
  ])("fails when its condition answers %s instead of true or false", async (_, answer) => {
    await using scene = new Scene(store);
    const vague = flow("vague", { version: "1" })
      .loop("again", (b) => b.step("work", () => 1), { until: () => answer as boolean, max: 2 })
      .build();
    expect(await scene.open().run(vague, 0)).toMatchObject({
      status: "failed",
      failure: { code: "PREDICATE_FAILED", at: "root/again" },
    });
  });

  it("goes on from the iteration that failed when its run is retried", async () => {
    await using scene = new Scene(store);
    let broken = true;
    const calls: string[] = [];
    const fragile = flow("fragile", { version: "1" })
      .input(z.number())
      .times("outer", 2, (b) =>
        b.times("inner", 2, (c) =>
          c.step("add", (n, { visit }) => {
            calls.push(visit);
            if (broken && visit === "2.1") throw new Error("not now");
            return n + 1;
          }),
        ),
      )
      .build();
    const flujo = scene.open();
    const { runId } = await flujo.run(fragile, 0);
    broken = false;
    await flujo.retry(runId);
    expect(await flujo.handle(runId).output()).toBe(4);
    expect(calls).toEqual(["1.1", "1.2", "2.1", "2.1", "2.2"]);
  });

  it("gives the same count each time it is run", async () => {
    await using scene = new Scene(store);
    const count = flow("count", { version: "1" })
      .input(z.number())
      .loop("again", (b) => b.step("add", (n) => n + 3), { until: (n) => n % 7 === 0, max: 50 })
      .build();
    const flujo = scene.open();
    for (let i = 0; i < 5; i++) expect(await flujo.run(count, 1)).toMatchObject({ output: 7 });
  });

  it("lets other work have its turn while it iterates over nothing but decisions", async () => {
    await using scene = new Scene(store);
    const busy = flow("busy", { version: "1" })
      .input(z.number())
      .times("again", 2_000, (b) =>
        b.if(
          "never",
          () => false,
          (c) => c.step("work", (n) => n + 1),
        ),
      )
      .build();
    expect(await scene.open().run(busy, 7)).toMatchObject({ status: "completed", output: 7 });
  });
});
