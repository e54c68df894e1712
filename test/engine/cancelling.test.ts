import { flow, type Flujo } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { VirtualClock } from "./clock.ts";
import { codeOf, completedSteps, eventually, gate } from "./reading.ts";
import { Scene, STORES } from "./scene.ts";

const ended = (flujo: Flujo, run: string): Promise<unknown> =>
  flujo.result(run, { until: "end", signal: AbortSignal.timeout(5_000) });

describe.each(STORES)("cancelling a run on %s", (store) => {
  it("that has not begun ends it without a step", async () => {
    await using scene = new Scene(store);
    let calls = 0;
    const later = flow("later", { version: "1" })
      .step("x", () => ++calls)
      .build();
    const flujo = scene.open({ flows: [later] });
    const { runId } = await flujo.start(later, 0, { startAt: Date.now() + 3_600_000 });
    expect(await flujo.cancel(runId, "no longer needed")).toBe("requested");
    expect(await ended(flujo, runId)).toEqual({ status: "cancelled", runId, reason: "no longer needed" });
    expect(calls).toBe(0);
  });

  it("aborts the step under way, and its late result counts for nothing", async () => {
    await using scene = new Scene(store);
    const begun = gate();
    let reason: unknown;
    const busy = flow("busy", { version: "1" })
      .step("work", async (_, { signal }) => {
        begun.open();
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        reason = signal.reason;
        return "late";
      })
      .step("after", () => "after")
      .build();
    const flujo = scene.open({ flows: [busy] });
    const { runId } = await flujo.start(busy, 0);
    await begun.opened;
    await flujo.cancel(runId, "enough");
    expect(await ended(flujo, runId)).toMatchObject({ status: "cancelled", reason: "enough" });
    expect(reason).toMatchObject({ code: "RUN_CANCELLED", message: "enough" });
    expect(await completedSteps(flujo, runId)).not.toContain("root/after");
  });

  it("is told by another process to the one that works on it", async () => {
    await using scene = new Scene(store);
    const begun = gate();
    const busy = flow("busy", { version: "1" })
      .step("work", (_, { signal }) => {
        begun.open();
        return new Promise((_resolve, reject) =>
          signal.addEventListener("abort", () => reject(signal.reason as Error)),
        );
      })
      .build();
    const worker = scene.open({
      flows: [busy],
      worker: { heartbeat: 50, lease: 1_000, sweep: 50 },
    });
    const { runId } = await worker.start(busy, 0);
    await begun.opened;
    const other = scene.open({ worker: { queues: ["elsewhere"] } });
    await other.cancel(runId, "from afar");
    expect(await ended(other, runId)).toMatchObject({ status: "cancelled", reason: "from afar" });
  });

  const child = flow("child", { version: "1" }).waitForSignal("go", "go").build();
  it.each([
    ["for a signal", flow("w", { version: "1" }).waitForSignal("go", "go").build()],
    ["for an answer", flow("w", { version: "1" }).human("ask", { message: "?" }).build()],
    ["for a time", flow("w", { version: "1" }).sleep("nap", "52 weeks").build()],
    [
      "for branches",
      flow("w", { version: "1" })
        .parallel("p", { a: (b) => b.waitForSignal("go", "go"), b: (b) => b.human("ask", { message: "?" }) })
        .build(),
    ],
    [
      "for a child run",
      flow("w", { version: "1" })
        .call("c", child, { input: () => 0 })
        .build(),
    ],
    [
      "deep inside",
      flow("w", { version: "1" })
        .attempt(
          "t",
          (b) =>
            b.map(
              "m",
              () => [1, 2, 3],
              (c) =>
                c.times("l", 2, (d) =>
                  d.if(
                    "i",
                    () => true,
                    (e) => e.call("c", child, { input: () => 0 }).step("n", () => 0),
                  ),
                ),
            ),
          { fallback: (b) => b.step("never", () => []) },
        )
        .build(),
    ],
  ])("that waits %s ends it and everything below it", async (_, waits) => {
    await using scene = new Scene(store);
    const flujo = scene.open({ flows: [waits] });
    const { runId } = await flujo.start(waits, 0);
    await eventually("it to wait", async () => {
      const { fibers, status } = await flujo.get(runId);
      return status !== "running" && status !== "pending" && fibers.every(({ position }) => position === "parked");
    });
    await flujo.cancel(runId, "stop");
    expect(await ended(flujo, runId)).toMatchObject({ status: "cancelled", reason: "stop" });
    for (const { id } of (await flujo.list()).items)
      expect(await ended(flujo, id)).toMatchObject({ status: "cancelled" });
    expect((await flujo.get(runId)).fibers).toEqual([]);
  });

  it("between two attempts of a step makes no further one", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    let calls = 0;
    const flaky = flow("flaky", { version: "1" })
      .step(
        "work",
        () => {
          calls += 1;
          throw new Error("again");
        },
        { retry: { attempts: 9, delay: "1m", jitter: "none" } },
      )
      .build();
    const flujo = scene.open({ flows: [flaky] });
    const { runId } = await flujo.start(flaky, 0);
    await clock.pass(0);
    await flujo.cancel(runId);
    expect(await clock.until(flujo.result(runId, { until: "end" }))).toMatchObject({ status: "cancelled" });
    expect(calls).toBe(1);
  });

  it("twice, or after its end, changes nothing more", async () => {
    await using scene = new Scene(store);
    const undone: string[] = [];
    const begun = gate();
    const held = gate();
    const slow = flow("slow", { version: "1" })
      .step("book", () => 1, {
        compensate: async () => {
          undone.push("book");
          begun.open();
          await held.opened;
        },
      })
      .waitForSignal("go", "go")
      .build();
    const quick = flow("quick", { version: "1" })
      .step("x", () => 1)
      .build();
    const flujo = scene.open({ flows: [slow, quick] });
    const done = await flujo.run(quick, 0);
    expect(await flujo.cancel(done.runId)).toBe("ended");
    const { runId } = await flujo.run(slow, 0);
    await flujo.cancel(runId, "first");
    await begun.opened;
    await flujo.cancel(runId, "second"); // its compensation is under way, and is finished
    held.open();
    expect(await ended(flujo, runId)).toMatchObject({ status: "cancelled", reason: "first" });
    expect(await flujo.cancel(runId)).toBe("ended");
    expect(undone).toEqual(["book"]);
    expect(await codeOf(flujo.cancel("nobody"))).toBe("RUN_UNKNOWN");
  });

  it("makes its handle's output reject, and keeps its reason", async () => {
    await using scene = new Scene(store);
    const waits = flow("waits", { version: "1" }).waitForSignal("go", "go").build();
    const flujo = scene.open({ flows: [waits] });
    const handle = await flujo.start(waits, 0);
    const output = codeOf(handle.output());
    await handle.cancel();
    expect(await output).toBe("RUN_CANCELLED");
    expect(await handle.get()).toMatchObject({ status: "cancelled", cancelReason: "cancelled by the caller" });
  });

  it("ends a map of many with its window, however far it has come", async () => {
    await using scene = new Scene(store);
    let calls = 0;
    const enough = gate();
    const wide = flow("wide", { version: "1" })
      .input(z.number())
      .map(
        "each",
        (n) => Array.from({ length: n }, (_, i) => i),
        (b) =>
          b.step("work", async () => {
            if (++calls === 30) enough.open();
            await new Promise((resolve) => setImmediate(resolve));
          }),
      )
      .build();
    const flujo = scene.open({ flows: [wide] });
    const { runId } = await flujo.start(wide, 5_000);
    await enough.opened;
    await flujo.cancel(runId);
    expect(await ended(flujo, runId)).toMatchObject({ status: "cancelled" });
    expect(calls).toBeLessThan(2_500);
  });
});
