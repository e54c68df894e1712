import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { completedSteps, eventsOf, eventually, gate } from "./reading.ts";
import { Scene, STORES } from "./scene.ts";

const square = flow("square", { version: "1" })
  .input(z.number())
  .step("square", (n) => {
    if (n < 0) throw new RangeError(`${n} is negative`);
    return n * n;
  })
  .build();
const asks = flow("asks", { version: "1" }).input(z.unknown()).waitForSignal("go", "go").build();

describe.each(STORES)("a call on %s", (store) => {
  it("runs another flow as a run of its own and gives its output", async () => {
    await using scene = new Scene(store);
    const parent = flow("parent", { version: "1" })
      .input(z.number())
      .call("square", square)
      .step("end", (n) => n + 1)
      .build();
    const flujo = scene.open();
    const result = await flujo.run(parent, 3, { metadata: { customer: "a" } });
    expect(result).toMatchObject({ output: 10 });
    const { items } = await flujo.list({ parent: result.runId });
    expect(items).toMatchObject([
      { flow: "square", input: 3, output: 9, status: "completed", metadata: { customer: "a" } },
    ]);
    expect(await completedSteps(flujo, result.runId)).toEqual(["root/end"]);
  });

  it("fails with the failure of the child as its cause", async () => {
    await using scene = new Scene(store);
    const parent = flow("parent", { version: "1" })
      .call("square", square, { input: () => -2 })
      .build();
    const flujo = scene.open();
    const result = await flujo.run(parent, 0);
    expect(result).toMatchObject({
      status: "failed",
      failure: {
        code: "CHILD_FAILED",
        at: "root/square",
        message: expect.stringMatching(/child run c-[0-9a-f]+ ended failed: -2 is negative/) as string,
        cause: { name: "RangeError", message: "-2 is negative", at: "root/square" },
      },
    });
  });

  it("can be handled as any failure", async () => {
    await using scene = new Scene(store);
    const parent = flow("parent", { version: "1" })
      .attempt("try", (b) => b.call("square", square, { input: () => -2 }), {
        catch: (b) => b.step("handle", ({ error }) => error.cause?.message),
      })
      .build();
    expect(await scene.open().run(parent, 0)).toMatchObject({ output: "-2 is negative" });
  });

  it("fails when the child does not take its input, and starts nothing", async () => {
    await using scene = new Scene(store);
    const parent = flow("parent", { version: "1" })
      .callMany("squares", square, { inputs: () => [1, "two" as never, 3] })
      .build();
    const flujo = scene.open();
    const result = await flujo.run(parent, 0, { signal: AbortSignal.timeout(3_000) });
    expect(result).toMatchObject({ status: "failed", failure: { code: "INPUT_INVALID", at: "root/squares" } });
    expect((await flujo.list({ parent: result.runId })).items).toEqual([]);
  });

  it.each<readonly [string, unknown]>([
    ["no list", 7],
    ["null", null],
    ["a function in a list", [() => 1]],
    ["text", "ab"],
  ])("of many fails, and is not stuck, when its inputs are %s", async (_, inputs) => {
    await using scene = new Scene(store);
    const parent = flow("parent", { version: "1" })
      .callMany("many", asks, { inputs: () => inputs as never[] })
      .build();
    const flujo = scene.open();
    const result = await flujo.run(parent, 0, { signal: AbortSignal.timeout(3_000) });
    expect(result).toMatchObject({ status: "failed", failure: { at: "root/many" } });
  });

  it("of many gives all outputs in order, and nothing for nothing", async () => {
    await using scene = new Scene(store);
    const parent = flow("parent", { version: "1" })
      .input(z.array(z.number()))
      .callMany("squares", square, { inputs: (list) => list })
      .build();
    const flujo = scene.open();
    expect(await flujo.run(parent, [3, 1, 2])).toMatchObject({ output: [9, 1, 4] });
    expect(await flujo.run(parent, [])).toMatchObject({ output: [] });
  });

  it("of many fails with the first that fails, and cancels the others", async () => {
    await using scene = new Scene(store);
    const child = flow("child", { version: "1" })
      .input(z.number())
      .if(
        "first",
        (n) => n === 0,
        (b) =>
          b.step("fail", () => {
            throw new Error("first failed");
          }),
        (b) => b.waitForSignal("never", "never"),
      )
      .build();
    const parent = flow("parent", { version: "1" })
      .callMany("all", child, { inputs: () => [1, 0, 2] })
      .build();
    const flujo = scene.open();
    const result = await flujo.run(parent, 0);
    expect(result).toMatchObject({
      status: "failed",
      failure: { code: "CHILD_FAILED", cause: { message: "first failed" } },
    });
    const { items } = await flujo.list({ parent: result.runId });
    for (const { id, input } of items) {
      const ended = await flujo.result(id, { until: "end" });
      expect([input, ended.status]).toEqual([input, input === 0 ? "failed" : "cancelled"]);
    }
  });

  it("of many with any gives the first success and cancels the others", async () => {
    await using scene = new Scene(store);
    const child = flow("child", { version: "1" })
      .input(z.number())
      .switch("kind", (n) => (n === 1 ? "good" : n === 0 ? "bad" : "slow"), {
        good: (b) => b.step("good", () => "good"),
        bad: (b) =>
          b.step("bad", (): string => {
            throw new Error("bad");
          }),
        slow: (b) => b.waitForSignal("slow", "slow", { schema: z.string() }),
      })
      .build();
    const first = flow("first", { version: "1" })
      .input(z.array(z.number()))
      .callMany("race", child, { inputs: (list) => list, wait: "any" })
      .build();
    const flujo = scene.open();
    const result = await flujo.run(first, [2, 0, 1]);
    expect(result).toMatchObject({ status: "completed", output: { index: 2, output: "good" } });
    const { items } = await flujo.list({ parent: result.runId });
    const statuses = await Promise.all(items.map(async ({ id }) => (await flujo.result(id, { until: "end" })).status));
    expect(statuses.sort()).toEqual(["cancelled", "completed", "failed"]);
    expect(await flujo.run(first, [0, 0])).toMatchObject({
      status: "failed",
      failure: { code: "CHILD_FAILED", cause: { message: "bad" } },
    });
  });

  it("of none with any fails: there is no first", async () => {
    await using scene = new Scene(store);
    const child = flow("child", { version: "1" })
      .step("s", () => 1)
      .build();
    const none = flow("none", { version: "1" })
      .callMany("race", child, { inputs: () => [], wait: "any" })
      .build();
    const all = flow("all", { version: "1" })
      .callMany("every", child, { inputs: () => [] })
      .build();
    const flujo = scene.open();
    expect(await flujo.run(none, 0)).toMatchObject({
      status: "failed",
      failure: { code: "JOIN_FAILED", at: "root/race", message: expect.stringContaining("no inputs") as string },
    });
    expect(await flujo.run(all, 0)).toMatchObject({ status: "completed", output: [] });
  });

  it("cancels its child runs when the parent is cancelled, and theirs", async () => {
    await using scene = new Scene(store);
    const middle = flow("middle", { version: "1" })
      .call("asks", asks, { input: () => 0 })
      .build();
    const parent = flow("parent", { version: "1" })
      .callMany("two", middle, { inputs: () => [1, 2] })
      .build();
    const flujo = scene.open({ flows: [parent] });
    const paused = await flujo.run(parent, 0);
    expect(paused).toMatchObject({ status: "waiting", signals: ["go", "go"] });
    expect(await flujo.cancel(paused.runId, "enough")).toBe("requested");
    expect(await flujo.result(paused.runId, { until: "end" })).toMatchObject({ status: "cancelled", reason: "enough" });
    for (const { id } of (await flujo.list({ limit: 100 })).items)
      expect(await flujo.result(id, { until: "end" })).toMatchObject({ status: "cancelled" });
  });

  it("in a branch is cancelled when another branch fails", async () => {
    await using scene = new Scene(store);
    const parent = flow("parent", { version: "1" })
      .parallel("both", {
        calls: (b) => b.call("asks", asks, { input: () => 0 }),
        fails: (b) =>
          b.waitForSignal("wait", "fail").step("fail", () => {
            throw new Error("no");
          }),
      })
      .build();
    const flujo = scene.open({ flows: [parent] });
    const { runId } = await flujo.run(parent, 0);
    await flujo.signal(runId, "fail");
    expect(await flujo.result(runId, { until: "end" })).toMatchObject({ status: "failed", failure: { message: "no" } });
    const [child] = (await flujo.list({ parent: runId })).items;
    expect(await flujo.result(child?.id ?? "", { until: "end" })).toMatchObject({ status: "cancelled" });
  });

  it("fails when somebody cancels its child", async () => {
    await using scene = new Scene(store);
    const parent = flow("parent", { version: "1" })
      .call("asks", asks, { input: () => 0 })
      .build();
    const flujo = scene.open({ flows: [parent] });
    const { runId } = await flujo.run(parent, 0);
    const [child] = (await flujo.list({ parent: runId })).items;
    await flujo.cancel(child?.id ?? "", "not needed");
    expect(await flujo.result(runId, { until: "end" })).toMatchObject({
      status: "failed",
      failure: { code: "CHILD_FAILED", cause: { code: "RUN_CANCELLED" } },
    });
  });

  it("calls flows that call flows, and takes signals for the innermost by its own id", async () => {
    await using scene = new Scene(store);
    const middle = flow("middle", { version: "1" })
      .call("asks", asks, { input: () => 0 })
      .build();
    const parent = flow("parent", { version: "1" })
      .call("middle", middle, { input: () => 0 })
      .build();
    const flujo = scene.open({ flows: [parent] });
    const { runId } = await flujo.run(parent, 0);
    const [inner] = (await flujo.list({ flow: "asks" })).items;
    await flujo.signal(inner?.id ?? "", "go", "deep");
    expect(await flujo.handle(runId).output()).toBe("deep");
  });

  it("is repeated in a loop with a child of its own each time", async () => {
    await using scene = new Scene(store);
    const parent = flow("parent", { version: "1" })
      .input(z.number())
      .times("again", 3, (b) => b.call("square", square))
      .build();
    const flujo = scene.open();
    const result = await flujo.run(parent, 2);
    expect(result).toMatchObject({ output: 256 });
    expect((await flujo.list({ parent: result.runId })).items).toHaveLength(3);
  });
});

describe.each(STORES)("a background call on %s", (store) => {
  it("gives the id at once, and neither waits nor fails with the child", async () => {
    await using scene = new Scene(store);
    const held = gate();
    const slow = flow("slow", { version: "1" })
      .input(z.number())
      .step("slow", async (n) => {
        await held.opened;
        if (n === 2) throw new Error("in the background");
        return n;
      })
      .build();
    const parent = flow("parent", { version: "1" })
      .background("one", slow, { input: () => 1 })
      .step("keep", (id) => [id])
      .backgroundMany("more", slow, { inputs: () => [2, 3] })
      .build();
    const flujo = scene.open();
    const result = await flujo.run(parent, 0);
    expect(result).toMatchObject({ status: "completed" });
    const started = await eventsOf(flujo, result.runId, "call.started");
    expect(started.flatMap(({ runs }) => runs)).toHaveLength(3);
    expect(result.status === "completed" && result.output).toEqual(started[1]?.runs);
    held.open();
    const statuses = await Promise.all(
      started.flatMap(({ runs }) => runs).map(async (id) => (await flujo.result(id, { until: "end" })).status),
    );
    expect(statuses).toEqual(["completed", "failed", "completed"]);
  });

  it("goes on when its parent is cancelled, and does not keep it from being settled", async () => {
    await using scene = new Scene(store);
    const parent = flow("parent", { version: "1" })
      .background("b", asks, { input: () => 0 })
      .waitForSignal("own", "own")
      .build();
    const flujo = scene.open({ flows: [parent] });
    const { runId } = await flujo.run(parent, 0);
    const child = await eventually("the child", async () => (await flujo.list({ parent: runId })).items[0]);
    expect(await flujo.result(child.id)).toMatchObject({ status: "waiting" });
    await flujo.cancel(runId);
    expect(await flujo.result(runId, { until: "end" })).toMatchObject({ status: "cancelled" });
    await flujo.signal(child.id, "go", 5);
    expect(await flujo.handle(child.id).output()).toBe(5);
  });
});
