import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { memoryStore } from "../../src/testing.ts";
import { VirtualClock } from "../engine/clock.ts";
import { codeOf, eventually, gate } from "../engine/reading.ts";
import { Scene, STORES } from "../engine/scene.ts";
import { wrapped } from "./wrapped.ts";

describe.each(STORES)("calls on %s", (store) => {
  const child = flow("child", { version: "1" })
    .input(z.number())
    .step("work", (n) => n)
    .build();

  it("fails a detached call whose input the child refuses, instead of recording a start that never happens", async () => {
    await using scene = new Scene(store);
    const parent = flow("parent", { version: "1" })
      .background("bg", child, { input: () => "no number" as unknown as number })
      .build();
    const flujo = scene.open({ flows: [parent] });
    const result = await flujo.run(parent, null);
    if (result.status === "completed") expect(await codeOf(flujo.get(result.output as string))).toBe("nothing");
    else expect(result).toMatchObject({ status: "failed", failure: { code: "INPUT_INVALID" } });
  });

  it("starts the first of two detached calls although the second is refused", async () => {
    await using scene = new Scene(store);
    const parent = flow("parent", { version: "1" })
      .background("good", child, { input: () => 1 })
      .background("bad", child, { input: () => "no number" as unknown as number })
      .build();
    const flujo = scene.open({ flows: [parent] });
    const { runId } = await flujo.run(parent, null);
    const started = (await flujo.history(runId)).flatMap((event) => (event.type === "call.started" ? event.runs : []));
    expect(started.length).toBeGreaterThan(0);
    expect(await codeOf(flujo.get(started[0] ?? ""))).toBe("nothing");
  });

  it("keeps the results of child runs as long as their parent needs them, whatever is pruned", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const slow = flow("slow", { version: "1" })
      .input(z.number())
      .if(
        "last",
        (n) => n === 2,
        (b) => b.waitForSignal("go", "go"),
      )
      .build();
    const parent = flow("parent", { version: "1" })
      .callMany("all", slow, { inputs: () => [1, 2] })
      .build();
    const flujo = scene.open({ flows: [parent] });
    const { runId } = await flujo.start(parent, null);
    const children = await clock.until(
      eventually("one child to end", async () => {
        const { items } = await flujo.list({ parent: runId as never });
        return items.some(({ status }) => status === "completed") && items;
      }),
    );
    await flujo.prune({ endedBefore: clock.now() + 1 });
    const waiting = children.find(({ status }) => status !== "completed");
    await flujo.signal(waiting?.id ?? "", "go", 2);
    const result = await clock.until(flujo.result(runId, { until: "end" }), 120_000);
    expect(result).toMatchObject({ status: "completed", output: [1, 2] });
  });

  it("doctor finds nothing wrong with a run that waits for its child run", async () => {
    await using scene = new Scene(store);
    const asking = flow("asking", { version: "1" }).human("q", { message: "?" }).build();
    const parent = flow("parent", { version: "1" })
      .call("child", asking, { input: () => null })
      .build();
    const flujo = scene.open({ flows: [parent] });
    const { runId } = await flujo.run(parent, null);
    const ill = await flujo.doctor();
    await flujo.resume(runId, "ok");
    expect(ill).toEqual([]);
  });

  it("counts a child run once, although it was retried by hand and failed again", async () => {
    await using scene = new Scene(store);
    const racer = flow("racer", { version: "1" })
      .input(z.number())
      .if(
        "slow",
        (n) => n === 1,
        (b) => b.waitForSignal("go", "go"),
        (b) =>
          b.step("boom", () => {
            throw new Error("boom");
          }),
      )
      .build();
    const parent = flow("parent", { version: "1" })
      .callMany("race", racer, { inputs: () => [0, 1], wait: "any" })
      .build();
    const flujo = scene.open({ flows: [parent] });
    const { runId } = await flujo.start(parent, null);
    const failed = await eventually("the first to fail", async () => {
      const { items } = await flujo.list({ parent: runId as never, status: "failed" });
      return items[0];
    });
    await eventually("the parent to know", async () => {
      const types = (await flujo.history(runId)).map(({ type }) => type);
      return types.includes("call.child_ended");
    });
    await flujo.retry(failed.id);
    await flujo.result(failed.id, { until: "end" });
    await new Promise((resolve) => setTimeout(resolve, 50));
    const { items } = await flujo.list({ parent: runId as never, status: "waiting" });
    if (items[0] !== undefined) await flujo.signal(items[0].id, "go", 7);
    expect(await flujo.result(runId, { until: "end" })).toMatchObject({ status: "completed", output: { index: 1 } });
  });
});

describe("runs that are not persisted", () => {
  it("do not take away each other's child runs", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene("memory", clock);
    const held = gate();
    const child = flow("child", { version: "1" })
      .input(z.number())
      .step("work", async (n) => {
        if (n === 2) await held.opened;
        return n;
      })
      .build();
    const parent = flow("parent", { version: "1" })
      .callMany("all", child, { inputs: () => [1, 2] })
      .build();
    const quick = flow("quick", { version: "1" })
      .step("s", () => 1)
      .build();
    const flujo = scene.open({ flows: [parent, quick] });
    const long = flujo.run(parent, null, { persist: false });
    await new Promise((resolve) => setTimeout(resolve, 20));
    await clock.until(flujo.run(quick, null, { persist: false }));
    held.open();
    expect(await clock.until(long, 120_000)).toMatchObject({ status: "completed", output: [1, 2] });
  });
});

describe("a run that waits for a child run", () => {
  it("is not reported as waiting for nothing when its child ends while it is looked at", async () => {
    const held = gate();
    const looking = gate();
    const go = gate();
    let armed = false;
    const store = wrapped(memoryStore(), {
      list: (real) => async (query) => {
        if (armed && query.parent !== undefined) {
          armed = false;
          looking.open();
          await go.opened;
        }
        return real(query);
      },
    });
    await using scene = new Scene("memory");
    const child = flow("child", { version: "1" })
      .waitForSignal("go", "go")
      .step("work", () => held.opened)
      .build();
    const after = gate();
    const parent = flow("parent", { version: "1" })
      .call("child", child, { input: () => null })
      .step("after", () => after.opened)
      .build();
    const flujo = scene.open({ store, flows: [parent] });
    const { runId } = await flujo.start(parent, null);
    const [first] = await eventually("a child", async () => {
      const { items } = await flujo.list({ parent: runId as never, status: "waiting" });
      return items.length > 0 && items;
    });
    await flujo.signal(first?.id ?? "", "go", 1); // the child works now: nothing waits for anybody
    armed = true;
    const result = flujo.result(runId);
    await looking.opened;
    held.open();
    await flujo.result(first?.id ?? "", { until: "end" });
    go.open();
    setTimeout(after.open, 100);
    expect((await result).status).toBe("completed");
    await store.close();
  });
});

describe("resume", () => {
  it("never answers with what the run was before the answer", async () => {
    const looking = gate();
    const go = gate();
    let armed = false;
    const store = wrapped(memoryStore(), {
      fibers: (real) => async (run) => {
        const found = await real(run);
        if (armed) {
          armed = false;
          looking.open();
          await go.opened;
        }
        return found;
      },
    });
    await using scene = new Scene("memory");
    const after = gate();
    const ask = flow("ask", { version: "1" })
      .human("q", { message: "?" })
      .step("s", async (a) => {
        await after.opened;
        return a;
      })
      .build();
    const flujo = scene.open({ store, flows: [ask] });
    const { runId } = await flujo.run(ask, null);
    armed = true;
    const dashboard = flujo.result(runId, { until: "end" }); // somebody else waits for the end, and is looking right now
    await looking.opened;
    const resumed = flujo.resume(runId, "yes");
    await eventually("the answer to be taken", async () =>
      (await flujo.history(runId)).some(({ type }) => type === "wait.answered"),
    );
    go.open();
    setTimeout(after.open, 100);
    expect(await resumed).toMatchObject({ status: "completed", output: "yes" });
    await dashboard;
    await store.close();
  });
});
