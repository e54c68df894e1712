import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { VirtualClock } from "./clock.ts";
import { eventsOf } from "./reading.ts";
import { Scene, STORES } from "./scene.ts";

describe.each(STORES)("a sleep on %s", (store) => {
  it.each<readonly [string, 0 | "0 ms"]>([
    ["zero", 0],
    ["zero, in words", "0 ms"],
  ])("is no wait when it is %s", async (_, duration) => {
    await using scene = new Scene(store);
    const none = flow("none", { version: "1" }).input(z.number()).sleep("none", duration).build();
    const flujo = scene.open();
    const result = await flujo.run(none, 7);
    expect(result).toMatchObject({ status: "completed", output: 7 });
    expect(await eventsOf(flujo, result.runId, "timer.fired")).toHaveLength(1);
  });

  it("lasts as long as its function says, from when it began", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const computed = flow("computed", { version: "1" })
      .input(z.object({ minutes: z.number() }))
      .sleep("nap", ({ minutes }) => `${minutes} minutes`)
      .step("end", ({ minutes }) => minutes)
      .build();
    const flujo = scene.open();
    const handle = await flujo.start(computed, { minutes: 30 });
    await clock.pass(0);
    const began = clock.now();
    const [opened] = await eventsOf(flujo, handle.runId, "wait.opened");
    expect(opened).toMatchObject({ wait: "timer", deadlineAt: began + 30 * 60_000 });
    await clock.pass(29 * 60_000);
    expect((await handle.get()).status).toBe("waiting");
    await clock.pass(60_000);
    expect(await clock.until(handle.output())).toBe(30);
  });

  it.each([
    ["an hour ago", -3_600_000],
    ["just now", 0],
  ])("until a time that was %s is no wait", async (_, offset) => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const past = flow("past", { version: "1" })
      .sleepUntil("then", () => new Date(clock.now() + offset))
      .step("end", () => "done")
      .build();
    expect(await clock.until(scene.open().run(past, 0), 10)).toMatchObject({ output: "done" });
  });

  it("until a time ends then", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const until = new Date(clock.now() + 86_400_000);
    const day = flow("day", { version: "1" }).sleepUntil("tomorrow", until).build();
    const flujo = scene.open();
    const handle = await flujo.start(day, "x");
    await clock.pass(86_399_000);
    expect((await handle.get()).fibers).toMatchObject([{ wait: "timer", dueAt: until }]);
    await clock.pass(1_000);
    expect(await clock.until(handle.output())).toBe("x");
  });

  it.each<readonly [string, () => never]>([
    ["no duration", () => "soon" as never],
    ["negative", () => -1 as never],
    ["no number", () => Number.NaN as never],
    ["missing", () => undefined as never],
  ])("fails, and is not stuck, when its duration is %s", async (_, duration) => {
    const message = 'expected a sleep in milliseconds or text such as "10s", "5 minutes", "2 days" but found';
    await using scene = new Scene(store);
    const bad = flow("bad", { version: "1" }).sleep("nap", duration).build();
    expect(await scene.open().run(bad, 0, { signal: AbortSignal.timeout(3_000) })).toMatchObject({
      status: "failed",
      failure: { code: "PREDICATE_FAILED", message: expect.stringContaining(message) as string, at: "root/nap" },
    });
  });

  it.each<readonly [string, unknown]>([
    ["no date", "tomorrow"],
    ["an invalid date", new Date(Number.NaN)],
    ["infinite", Number.POSITIVE_INFINITY],
    ["missing", undefined],
    ["null", null],
  ])("fails, and is not stuck, when the time it shall end is %s", async (_, at) => {
    await using scene = new Scene(store);
    const bad = flow("bad", { version: "1" })
      .sleepUntil("then", () => at as Date)
      .build();
    expect(await scene.open().run(bad, 0, { signal: AbortSignal.timeout(3_000) })).toMatchObject({
      status: "failed",
      failure: { code: "PREDICATE_FAILED", at: "root/then" },
    });
  });
});

describe.each(STORES)("a bound of time on %s", (store) => {
  const forever = (_: unknown, { signal }: { readonly signal: AbortSignal }): Promise<never> =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error));
    });

  it("ends an attempt, whose signal says why", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const reasons: string[] = [];
    const slow = flow("slow", { version: "1" })
      .step(
        "slow",
        (_, { signal, attempt }) => {
          if (attempt === 2) return "quick";
          signal.addEventListener("abort", () => reasons.push(String((signal.reason as { code?: string }).code)));
          return new Promise<string>(() => undefined); // it never listens
        },
        { timeout: "30s", retry: { attempts: 2, backoff: "immediate" } },
      )
      .build();
    const flujo = scene.open();
    const result = await clock.until(flujo.run(slow, 0), 40_000);
    expect(result).toMatchObject({ status: "completed", output: "quick" });
    expect(reasons).toEqual(["STEP_TIMEOUT"]);
    expect(await eventsOf(flujo, result.runId, "step.failed")).toMatchObject([
      {
        attempt: 1,
        failure: { code: "STEP_TIMEOUT", message: "the attempt took longer than its timeout of 30000 ms" },
      },
    ]);
  });

  it("ends a run in a step, without another attempt", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const bounded = flow("bounded", { version: "1", timeout: "1 minute" }).step("slow", forever, { retry: 5 }).build();
    const result = await clock.until(scene.open().run(bounded, 0), 70_000);
    expect(result).toMatchObject({ status: "failed", failure: { code: "RUN_TIMEOUT", at: "root/slow", attempt: 1 } });
  });

  it("ends a run that waits, sleeps, or waits for its children", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const start = () => flow("waiting", { version: "1", timeout: "1 minute" });
    const child = flow("child", { version: "1" }).waitForSignal("w", "w").build();
    const flujo = scene.open();
    for (const [name, waiting] of [
      ["signal", start().waitForSignal("w", "w").build()],
      ["human", flow("human", { version: "1", timeout: "1 minute" }).human("w", { message: "?" }).build()],
      ["sleep", flow("sleep", { version: "1", timeout: "1 minute" }).sleep("w", "1 hour").build()],
      [
        "call",
        flow("call", { version: "1", timeout: "1 minute" })
          .call("w", child, { input: () => 0 })
          .build(),
      ],
      [
        "join",
        flow("join", { version: "1", timeout: "1 minute" })
          .parallel("p", { a: (b) => b.waitForSignal("w", "w"), b: (b) => b.sleep("s", "1 hour") })
          .build(),
      ],
    ] as const) {
      const handle = await flujo.start(waiting, 0);
      const result = await clock.until(handle.result({ until: "end" }), 90_000);
      expect([name, result]).toMatchObject([name, { status: "failed", failure: { code: "RUN_TIMEOUT" } }]);
      for (const { id } of (await flujo.list({ parent: handle.runId })).items)
        expect(await clock.until(flujo.result(id, { until: "end" }))).toMatchObject({ status: "cancelled" });
    }
  });

  it("is not caught by an attempt, since nothing may go on after it", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const caught = flow("caught", { version: "1", timeout: "1 minute" })
      .attempt("try", (b) => b.step("slow", forever), { fallback: (b) => b.step("other", () => "other") })
      .build();
    expect(await clock.until(scene.open().run(caught, 0), 70_000)).toMatchObject({
      status: "failed",
      failure: { code: "RUN_TIMEOUT" },
    });
  });

  it("gives a retried run its whole time again", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    let slow = true;
    const bounded = flow("bounded", { version: "1", timeout: "1 minute" })
      .step("work", (_, ctx) => (slow ? forever(_, ctx) : "done"))
      .build();
    const flujo = scene.open();
    const { runId } = await clock.until(flujo.run(bounded, 0), 70_000);
    slow = false;
    await flujo.retry(runId);
    expect(await clock.until(flujo.handle(runId).output())).toBe("done");
  });

  it("holds back a run until its start", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const later = flow("later", { version: "1" })
      .step("when", (_, ctx) => ctx.now().getTime())
      .build();
    const flujo = scene.open();
    const startAt = new Date(clock.now() + 3_600_000);
    const handle = await flujo.start(later, 0, { startAt });
    await clock.pass(3_599_000);
    expect(await handle.get()).toMatchObject({ status: "pending", fibers: [{ position: "ready", dueAt: startAt }] });
    await clock.pass(1_000);
    expect(await clock.until(handle.output())).toBeGreaterThanOrEqual(startAt.getTime());
    const past = await flujo.start(later, 0, { startAt: clock.now() - 1 });
    const began = clock.now();
    expect(await clock.until(past.output(), 50)).toBe(began);
  });
});
