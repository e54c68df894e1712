import { type Flujo, flow } from "flujo";
import { expect, it } from "vitest";
import { z } from "zod";
import { VirtualClock } from "../engine/clock.ts";
import { codeOf, completedSteps, eventsOf, gate } from "../engine/reading.ts";
import { Scene } from "../engine/scene.ts";
import type { FiberRecord } from "../../src/ports/store.ts";
import { wrapped } from "../review/wrapped.ts";
import { BACKENDS, describeOn } from "../setup/backends.ts";

/** Acceptance scenarios 11 to 16, 19 and 20. */
describeOn(BACKENDS, "a waiting run on %s", (store) => {
  it("scenario 11: keeps its place in the third iteration of a loop, inside an if", async () => {
    await using scene = new Scene(store);
    const asked: unknown[] = [];
    const worked: number[] = [];
    const nested = flow("nested", { version: "1" })
      .input(z.number())
      .times("again", 3, (b) =>
        b
          .step("work", (n) => {
            worked.push(n);
            return n + 1;
          })
          .if(
            "third",
            (n) => {
              asked.push(n);
              return n === 3;
            },
            (c) => c.waitForSignal("go", "go", { schema: z.number() }),
          ),
      )
      .step("end", (n) => n * 2)
      .build();
    const flujo = scene.open({ flows: [nested] });
    const paused = await flujo.run(nested, 0);
    expect(paused).toMatchObject({ status: "waiting", signals: ["go"] });
    expect((await flujo.get(paused.runId)).fibers).toMatchObject([{ at: "root/again/body/third/then/go#3" }]);
    await flujo.close();

    const later = scene.open({ flows: [nested] });
    await later.signal(paused.runId, "go", 21);
    expect(await later.handle(paused.runId).output()).toBe(42);
    expect(worked).toEqual([0, 1, 2]);
    expect(new Set(asked)).toEqual(new Set([1, 2, 3])); // never on the signal's data
    expect((await eventsOf(later, paused.runId, "branch.chosen")).map(({ visit, key }) => [visit, key])).toEqual([
      ["1", "else"],
      ["2", "else"],
      ["3", "then"],
    ]);
  });

  it("scenario 12: takes a signal at once that was sent before it waits", async () => {
    await using scene = new Scene(store);
    const begun = gate();
    const sent = gate();
    const early = flow("early", { version: "1" })
      .step("prepare", async () => {
        begun.open();
        await sent.opened;
      })
      .waitForSignal("go", "go")
      .build();
    const flujo = scene.open({ flows: [early] });
    const handle = await flujo.start(early, null);
    await begun.opened;
    expect(await handle.signal("go", { by: "mail" })).toBe("delivered");
    expect((await handle.get()).unconsumed).toMatchObject([{ name: "go" }]);
    sent.open();
    expect(await handle.output()).toEqual({ by: "mail" });
  });

  it("scenario 13: stays where it is after a signal of another name, which is kept and shown", async () => {
    await using scene = new Scene(store);
    const choosy = flow("choosy", { version: "1" })
      .waitForSignal("first", "right")
      .waitForAnySignal("second", ["wrong", "other"])
      .build();
    const flujo = scene.open({ flows: [choosy] });
    const { runId } = await flujo.run(choosy, null);
    await flujo.signal(runId, "wrong", 1);
    expect(await flujo.result(runId)).toMatchObject({ status: "waiting", signals: ["right"] });
    expect((await flujo.get(runId)).unconsumed).toMatchObject([{ name: "wrong" }]);
    expect(await codeOf(flujo.signal(runId, "rigth", 2))).toBe("SIGNAL_UNDECLARED");
    await flujo.signal(runId, "right", 2);
    expect(await flujo.handle(runId).output()).toEqual({ name: "wrong", data: 1 });
    const answered = await eventsOf(flujo, runId, "wait.answered");
    expect(answered.map(({ name, output }) => [name, output])).toEqual([
      ["right", 2],
      ["wrong", { name: "wrong", data: 1 }],
    ]);
  });

  it("scenario 14: gives a timeout when nobody answers, and a second wait starts afresh", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const patience = { deadline: "1s", onTimeout: () => ({ name: "timeout", data: null }) } as const;
    const twice = flow("twice", { version: "1" })
      .waitForAnySignal("first", ["approve", "reject"], patience)
      .step("note", (answer) => answer.name)
      .waitForAnySignal("second", ["approve", "reject"], patience)
      .build();
    const flujo = scene.open({ flows: [twice] });
    const handle = await flujo.start(twice, null);
    await clock.until(handle.result());
    const began = clock.now();
    await clock.pass(900);
    expect(await eventsOf(flujo, handle.runId, "wait.timed_out")).toEqual([]);
    await clock.pass(200);
    const [late] = await eventsOf(flujo, handle.runId, "wait.timed_out");
    expect(late).toMatchObject({ path: "root/first", output: { name: "timeout", data: null } });
    expect(Number(late?.at) - began).toBeGreaterThanOrEqual(900);
    await clock.pass(900); // of the second wait's own second
    expect((await handle.get()).signals).toEqual(["approve", "reject"]);
    await handle.signal("approve", "yes");
    expect(await clock.until(handle.output())).toEqual({ name: "approve", data: "yes" });
  });

  it("scenario 15: completes at once when it is taken up after its sleep should have ended", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const nap = flow("nap", { version: "1" })
      .input(z.string())
      .sleep("nap", "2s")
      .step("wake", (text) => `${text}!`)
      .build();
    const first = scene.open({ flows: [nap], worker: { concurrency: 1 } });
    const { runId } = await first.start(nap, "awake");
    await clock.pass(250);
    expect(await first.get(runId)).toMatchObject({
      status: "waiting",
      fibers: [{ wait: "timer", position: "parked" }],
    });
    const other = await clock.until(
      first.run(
        flow("busy", { version: "1" })
          .step("a", () => 1)
          .build(),
        null,
      ),
      200,
    );
    expect(other).toMatchObject({ status: "completed" }); // the only slot is free while the other sleeps
    await clock.pass(50);
    await clock.until(first.close());

    await clock.pass(5_000);
    const second = scene.open({ flows: [nap] });
    const began = clock.now();
    expect(await clock.until(second.handle(runId).output(), 600)).toBe("awake!");
    expect(clock.now() - began).toBeLessThanOrEqual(600);
  });

  it("scenario 15: does not wait again for what it has slept already", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const nap = flow("nap", { version: "1" }).sleep("nap", "10s").build();
    const first = scene.open({ flows: [nap] });
    const { runId } = await first.start(nap, 1);
    const began = clock.now();
    await clock.pass(6_000);
    await clock.until(first.close());
    const second = scene.open({ flows: [nap] });
    expect((await second.get(runId)).status).toBe("waiting");
    await clock.pass(4_000);
    expect(await clock.until(second.result(runId))).toMatchObject({ status: "completed" });
    // Opening a server's store takes real time, in which this clock may run on: but not for as long as another sleep.
    expect(clock.now() - began).toBeLessThan(15_000);
    expect(await eventsOf(second, runId, "wait.opened")).toHaveLength(1);
  });

  it("scenario 16: waits for its child runs, wakes by itself, and starts no more of them when it is retried", async () => {
    await using scene = new Scene(store);
    const held = gate();
    let broken = true;
    const square = flow("square", { version: "1" })
      .input(z.number())
      .step("square", async (n) => {
        await held.opened;
        return n * n;
      })
      .build();
    const parent = flow("parent", { version: "1" })
      .callMany("squares", square, { inputs: () => [1, 2, 3, 4] })
      .step("sum", (squares) => {
        if (broken) throw new Error("not yet");
        return squares.reduce((a, b) => a + b, 0);
      })
      .build();
    const flujo = scene.open({ flows: [parent] });
    const handle = await flujo.start(parent, null);
    const children = async (): Promise<number> => (await flujo.list({ parent: handle.runId })).items.length;
    await expect.poll(children, { interval: 5 }).toBe(4);
    expect((await handle.get()).fibers).toMatchObject([{ wait: "call", position: "parked" }]);
    held.open();
    expect(await handle.result()).toMatchObject({ status: "failed", failure: { message: "not yet" } });
    broken = false;
    await flujo.retry(handle.runId);
    expect(await handle.output()).toBe(30);
    expect(await children()).toBe(4);
  });

  it("scenario 16: is on its way, not waiting, when its child ends while somebody looks", async () => {
    await using scene = new Scene(store);
    const late = flow("late", { version: "1" })
      .input(z.number())
      .step("late", (n) => n, { queue: "late" })
      .build();
    const parent = flow("parent-of-late", { version: "1" })
      .call("late", late, { input: () => 1 })
      .build();
    const worker = (...queues: string[]): Flujo => scene.open({ flows: [parent], worker: { queues } });
    const looks: (() => Promise<unknown>)[] = [];
    const inner = await scene.store();
    const seen = wrapped(inner, {
      load: (load) => async (run) => {
        const found = await load(run);
        await looks.shift()?.();
        return found;
      },
    });
    const first = worker("default");
    const { runId } = await first.start(parent, null);
    const reading = scene.open({ store: seen, flows: [parent], worker: false });
    const children = async (): Promise<readonly FiberRecord[]> => {
      const { items } = await inner.list({ parent: runId });
      return (await Promise.all(items.map(({ id }) => inner.fibers(id)))).flat();
    };
    await expect.poll(children, { interval: 5 }).toMatchObject([{ queue: "late", position: "ready" }]);
    await first.close();
    // The record says that it waits. Then its child ends, which wakes it; nobody takes it up before it is looked at again.
    looks.push(
      async () => {
        await worker("late").open();
        await expect.poll(() => inner.fibers(runId), { interval: 5 }).toMatchObject([{ readyAt: expect.any(Number) }]);
      },
      async () => worker("default").open(),
    );
    expect(await reading.handle(runId).result()).toMatchObject({ status: "completed", output: 1 });
  });

  it("scenario 19: finishes on the version it was started with, beside a newer one", async () => {
    await using scene = new Scene(store);
    const versioned = (version: string) =>
      flow("versioned", { version })
        .waitForSignal("go", "go")
        .step("answer", () => `by version ${version}`)
        .build();
    const first = scene.open({ flows: [versioned("1")] });
    const { runId } = await first.run("versioned", null);
    await first.close();
    const second = scene.open({ flows: [versioned("1"), versioned("2")] }); // version 1 was built anew
    await second.signal(runId, "go");
    expect(await second.handle(runId).output()).toBe("by version 1");
    const start = second.start("versioned", null);
    expect(await codeOf(start)).toBe("FLOW_AMBIGUOUS");
    await expect(start).rejects.toThrow(/1, 2/);
  });

  it("scenario 19: is not taken up by a changed flow of its version, but can be read, and says why", async () => {
    await using scene = new Scene(store);
    const original = flow("changed", { version: "1" })
      .waitForSignal("go", "go")
      .step("old", () => "old")
      .build();
    const changed = flow("changed", { version: "1" })
      .waitForSignal("go", "go")
      .step("new", () => "new")
      .build();
    const first = scene.open({ flows: [original] });
    const { runId } = await first.run(original, null);
    await first.close();
    const second = scene.open({ flows: [changed] });
    await second.signal(runId, "go");
    expect(await second.get(runId)).toMatchObject({ flow: "changed", fingerprint: original.fingerprint });
    expect((await second.why(runId)).reasons.join("\n")).toMatch(/The flow has changed: .*fingerprint/);
    await second.cancel(runId);
    expect(await completedSteps(second, runId)).toEqual([]);
    expect(await codeOf(second.fork(runId))).toBe("FLOW_UNKNOWN");
    const third = scene.open({ flows: [original] }); // who still has the old flow can end it
    expect(await third.result(runId, { until: "end" })).toMatchObject({ status: "cancelled" });
    expect(() => scene.open({ flows: [original, changed] })).toThrow(/changed@1 is registered with fingerprint/);
  });

  it("scenario 20: finishes the step under way when it is closed, and takes up nothing more", async () => {
    await using scene = new Scene(store);
    const begun = gate();
    const held = gate();
    const two = flow("two", { version: "1" })
      .step("first", async () => {
        begun.open();
        await held.opened;
        return "first";
      })
      .step("second", () => "second")
      .build();
    const flujo = scene.open({ flows: [two], worker: { drain: "5s", concurrency: 1 } });
    const { runId } = await flujo.start(two, null);
    await begun.opened;
    const waiting = await flujo.start(two, null);
    const closed = flujo.close();
    held.open();
    await closed;
    const later = scene.open({ worker: false });
    expect(await completedSteps(later, runId)).toEqual(["root/first"]);
    expect((await later.get(waiting.runId)).status).toBe("pending");
  });
});
