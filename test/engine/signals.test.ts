import { flow, type Flujo } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { VirtualClock } from "./clock.ts";
import { codeOf, eventsOf, eventually } from "./reading.ts";
import { Scene, STORES } from "./scene.ts";

const two = flow("two", { version: "1" })
  .waitForSignal("first", "go")
  .step("keep", (data, ctx) => void (ctx.context["first"] = data))
  .waitForSignal("second", "go")
  .step("both", (data, ctx) => [ctx.context["first"], data])
  .build();

const waiting = (flujo: Flujo, run: string, at: string): Promise<unknown> =>
  eventually(`${run} to wait at ${at}`, async () =>
    (await flujo.get(run)).fibers.some((fiber) => fiber.at === at && fiber.position === "parked"),
  );

describe.each(STORES)("a signal on %s", (store) => {
  it("is taken once each, in order of arrival, also when all came before the wait", async () => {
    await using scene = new Scene(store);
    const sender = scene.open({ flows: [two], worker: { queues: ["elsewhere"] } });
    const { runId } = await sender.start(two, 0);
    await sender.signal(runId, "go", 1);
    await sender.signal(runId, "go", 2);
    await sender.signal(runId, "go", 3);
    await sender.close();
    const flujo = scene.open({ flows: [two] });
    expect(await flujo.handle(runId).output()).toEqual([1, 2]);
  });

  it("is heard once when it is sent twice under one id, also after it was consumed", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [two] });
    const { runId } = await flujo.run(two, 0);
    expect(await flujo.signal(runId, "go", 1, { id: "a" })).toBe("delivered");
    await waiting(flujo, runId, "root/second");
    expect(await flujo.signal(runId, "go", 1, { id: "a" })).toBe("duplicate");
    expect(await flujo.result(runId)).toMatchObject({ status: "waiting", signals: ["go"] });
    expect((await flujo.get(runId)).unconsumed).toEqual([]);
    await flujo.signal(runId, "go", 2, { id: "b" });
    expect(await flujo.handle(runId).output()).toEqual([1, 2]);
    expect((await eventsOf(flujo, runId, "wait.answered")).map(({ message }) => message)).toEqual(["a", "b"]);
  });

  it("is taken by exactly one of several waits for its name", async () => {
    await using scene = new Scene(store);
    const crowd = flow("crowd", { version: "1" })
      .map(
        "each",
        () => [1, 2, 3, 4, 5],
        (b) => b.waitForSignal("turn", "turn", { schema: z.number() }),
      )
      .build();
    const flujo = scene.open({ flows: [crowd] });
    const { runId } = await flujo.run(crowd, 0);
    const sent = [10, 20, 30, 40, 50];
    await Promise.all(sent.map((data) => flujo.signal(runId, "turn", data)));
    const output = (await flujo.handle(runId).output()) as number[];
    expect([...output].sort((a, b) => a - b)).toEqual(sent);
  });

  it("is refused when its data is wrong, and nothing is delivered", async () => {
    await using scene = new Scene(store);
    const typed = flow("typed", { version: "1" })
      .waitForSignal("pay", "pay", { schema: z.object({ amount: z.number() }) })
      .build();
    const flujo = scene.open({ flows: [typed] });
    const { runId } = await flujo.run(typed, 0);
    const wrong = flujo.signal(runId, "pay", { amount: "much" });
    expect(await codeOf(wrong)).toBe("SIGNAL_INVALID");
    await expect(wrong).rejects.toThrow(/signal "pay" does not satisfy its schema: .*amount/);
    expect(await flujo.get(runId)).toMatchObject({ status: "waiting", unconsumed: [] });
    await flujo.signal(runId, "pay", { amount: 3, extra: "dropped" });
    expect(await flujo.handle(runId).output()).toEqual({ amount: 3 });
  });

  it("is checked again where the flow is known when its sender did not know it", async () => {
    await using scene = new Scene(store);
    const typed = flow("typed", { version: "1" }).waitForSignal("pay", "pay", { schema: z.number() }).build();
    const flujo = scene.open({ flows: [typed] });
    const { runId } = await flujo.run(typed, 0);
    const ignorant = scene.open({ worker: { queues: ["elsewhere"] } });
    await ignorant.signal(runId, "pay", "much", { id: "wrong" });
    await ignorant.signal(runId, "pay", 5);
    expect(await flujo.handle(runId).output()).toBe(5);
    expect(await eventsOf(flujo, runId, "wait.rejected")).toMatchObject([{ message: "wrong", path: "root/pay" }]);
  });

  it.each<readonly [string, string, unknown, string]>([
    ["its name is empty", "", 1, "SIGNAL_INVALID"],
    ["nobody declares it", "og", 1, "SIGNAL_UNDECLARED"],
    ["its data cannot be stored", "go", () => 1, "VALUE_NOT_SERIALIZABLE"],
    ["its data is more than a message may carry", "go", "x".repeat(1_048_577), "VALUE_TOO_LARGE"],
  ])("is refused when %s", async (_, name, data, code) => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [two] });
    const { runId } = await flujo.run(two, 0);
    expect(await codeOf(flujo.signal(runId, name, data))).toBe(code);
    expect((await flujo.get(runId)).unconsumed).toEqual([]);
  });

  it("says where in its data it cannot be stored", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [two] });
    const { runId } = await flujo.run(two, 0);
    await expect(flujo.signal(runId, "go", { a: [1, { b: Symbol("s") }] })).rejects.toThrow("$.a[1].b");
  });

  it("is refused when the run is unknown or has ended", async () => {
    await using scene = new Scene(store);
    const quick = flow("quick", { version: "1" })
      .if(
        "wait",
        () => false,
        (b) => b.waitForSignal("go", "go"),
      )
      .build();
    const flujo = scene.open({ flows: [quick] });
    const { runId } = await flujo.run(quick, 0);
    expect(await codeOf(flujo.signal(runId, "go"))).toBe("RUN_ENDED");
    expect(await codeOf(flujo.signal("nobody", "go"))).toBe("RUN_UNKNOWN");
    expect(await codeOf(flujo.signal("no body", "go"))).toBe("ID_INVALID");
  });

  it("carries any data, or none", async () => {
    await using scene = new Scene(store);
    const any = flow("any", { version: "1" }).waitForSignal("go", "go").build();
    const flujo = scene.open({ flows: [any] });
    for (const data of [undefined, null, 0, "", new Date(5), new Map([["a", 1n]])]) {
      const { runId } = await flujo.run(any, 0);
      await flujo.signal(runId, "go", data);
      expect(await flujo.handle(runId).output()).toEqual(data);
    }
  });

  it("says which one came when any of several may", async () => {
    await using scene = new Scene(store);
    const either = flow("either", { version: "1" })
      .waitForAnySignal("decision", { approve: z.object({ by: z.string() }), reject: null })
      .switch("what", ({ name }) => name, {
        approve: (b) => b.step("yes", (signal) => (signal.name === "approve" ? `yes by ${signal.data.by}` : "?")),
        reject: (b) => b.step("no", () => "no"),
      })
      .build();
    const flujo = scene.open({ flows: [either] });
    const one = await flujo.run(either, 0);
    expect(one).toMatchObject({ status: "waiting", signals: ["approve", "reject"] });
    await flujo.signal(one.runId, "approve", { by: "Ada" });
    expect(await flujo.handle(one.runId).output()).toBe("yes by Ada");
    const other = await flujo.run(either, 0);
    await flujo.signal(other.runId, "reject", 1);
    expect(await flujo.handle(other.runId).output()).toBe("no");
  });
});

describe.each(STORES)("the deadline of a signal on %s", (store) => {
  it("fails the wait when nobody says what to do then, and an attempt can handle that", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const strict = flow("strict", { version: "1" }).waitForSignal("go", "go", { deadline: "1 hour" }).build();
    const handled = flow("handled", { version: "1" })
      .attempt("try", (b) => b.waitForSignal("go", "go", { deadline: 5 }), {
        catch: (b) => b.step("late", ({ error }) => error.code),
      })
      .build();
    const flujo = scene.open();
    const handle = await flujo.start(strict, 0);
    await clock.pass(3_600_000);
    expect(await clock.until(handle.result())).toMatchObject({
      status: "failed",
      failure: {
        code: "DEADLINE_EXCEEDED",
        at: "root/go",
        message: "expected signal go before the deadline, but nothing came",
      },
    });
    const caught = await flujo.start(handled, 0);
    expect(await clock.until(caught.result({ until: "end" }))).toMatchObject({ output: "DEADLINE_EXCEEDED" });
  });

  it("does not keep its caller until the deadline", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const patient = flow("patient", { version: "1" }).waitForSignal("go", "go", { deadline: "2 days" }).build();
    const flujo = scene.open();
    expect(await clock.until(flujo.run(patient, 0))).toMatchObject({ status: "waiting", signals: ["go"] });
  });

  it("is beaten by a signal that came in time, though the worker looks late", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const timed = flow("timed", { version: "1" })
      .waitForSignal("go", "go", { deadline: "1 minute", onTimeout: () => "late" })
      .build();
    const first = scene.open({ flows: [timed] });
    const { runId } = await clock.until(first.run(timed, 0));
    await clock.until(first.close());
    const sender = scene.open({ flows: [], worker: { queues: ["elsewhere"] } });
    await clock.until(sender.signal(runId, "go", "in time"));
    await clock.pass(3_600_000);
    const second = scene.open({ flows: [timed] });
    expect(await clock.until(second.handle(runId).output())).toBe("in time");
  });

  it.each<readonly [string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("no default");
      },
    ],
    ["gives what cannot be stored", () => () => 1],
    ["gives a promise", () => Promise.resolve(1)],
  ])("fails the wait, and is not stuck, when its onTimeout %s", async (_, onTimeout) => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const bad = flow("bad", { version: "1" })
      .waitForSignal("go", "go", { deadline: 100, onTimeout: onTimeout as () => number })
      .build();
    expect(await clock.until(scene.open().run(bad, 0))).toMatchObject({
      status: "waiting",
    });
    await clock.pass(100);
    const flujo = scene.open({ flows: [bad] });
    const [{ id } = { id: "" }] = (await flujo.list()).items;
    expect(await clock.until(flujo.result(id, { until: "end" }))).toMatchObject({
      status: "failed",
      failure: { at: "root/go" },
    });
  });
});
