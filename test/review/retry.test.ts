import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { codeOf, completedSteps, eventsOf } from "../engine/reading.ts";
import { Scene, STORES } from "../engine/scene.ts";
import { within } from "./waiting.ts";

describe.each(STORES)("retry on %s", (store) => {
  it("works a second time, when the first retry failed too", async () => {
    await using scene = new Scene(store);
    let failures = 2;
    const calls: string[] = [];
    const fragile = flow("fragile", { version: "1" })
      .step("first", () => calls.push("first"))
      .step("second", () => {
        calls.push("second");
        if (failures-- > 0) throw new Error("not yet");
        return "done";
      })
      .build();
    const flujo = scene.open({ flows: [fragile] });
    const { runId } = await flujo.run(fragile, null);
    const once = await flujo.retry(runId);
    expect(await once.result()).toMatchObject({ status: "failed" });
    const twice = await flujo.retry(runId);
    expect(await within(twice.result())).toMatchObject({ status: "completed", output: "done" });
    expect(calls).toEqual(["first", "second", "second", "second"]);
  });

  it("works a second time, when the first attempt was cancelled: what the first retry did is not repeated", async () => {
    await using scene = new Scene(store);
    let broken = true;
    const calls: string[] = [];
    const flujo = scene.open();
    const paused = flow("paused", { version: "1" })
      .waitForSignal("go", "go")
      .step("a", () => calls.push("a"))
      .step("b", () => {
        if (broken) throw new Error("not yet");
        return "done";
      })
      .build();
    const { runId } = await flujo.run(paused, null);
    await flujo.cancel(runId);
    await flujo.result(runId, { until: "end" });
    await flujo.retry(runId);
    await flujo.signal(runId, "go", 1);
    expect(await flujo.result(runId, { until: "end" })).toMatchObject({ status: "failed" });
    broken = false;
    await flujo.retry(runId);
    expect(await within(flujo.result(runId, { until: "end" }))).toMatchObject({ status: "completed", output: "done" });
    expect(calls).toEqual(["a"]);
  });

  it("does not repeat a step that finished in the transition in which the run failed", async () => {
    await using scene = new Scene(store);
    let broken = true;
    let charges = 0;
    const shop = flow("shop", { version: "1" })
      .step("charge", () => ++charges)
      .if(
        "big",
        () => {
          if (broken) throw new Error("a bug in the predicate");
          return true;
        },
        (b) => b.step("thanks", () => "thanks"),
      )
      .build();
    const flujo = scene.open({ flows: [shop] });
    const { runId } = await flujo.run(shop, null);
    expect(await completedSteps(flujo, runId)).toEqual(["root/charge"]);
    broken = false;
    await flujo.retry(runId);
    expect(await flujo.result(runId, { until: "end" })).toMatchObject({ status: "completed" });
    expect(charges).toBe(1);
  });

  it("keeps an answer that was consumed in the transition in which the run failed, or takes it again", async () => {
    await using scene = new Scene(store);
    let broken = true;
    const ask = flow("ask", { version: "1" })
      .human("ok", { message: "ok?" })
      .if(
        "yes",
        () => {
          if (broken) throw new Error("a bug in the predicate");
          return true;
        },
        (b) => b.step("thanks", () => "thanks"),
      )
      .build();
    const flujo = scene.open({ flows: [ask] });
    const { runId } = await flujo.run(ask, null);
    expect(await flujo.resume(runId, "yes")).toMatchObject({ status: "failed" });
    broken = false;
    await flujo.retry(runId);
    const now = await flujo.result(runId);
    const end = now.status === "paused" ? await flujo.resume(runId, "yes") : now;
    expect(end).toMatchObject({ status: "completed" });
  });

  it("asks again when the flow's schema refused the answer as its output", async () => {
    await using scene = new Scene(store);
    const ask = flow("ask", { version: "1" })
      .output(z.literal("yes") as z.ZodType<unknown>)
      .human("ok", { message: "ok?" })
      .build();
    const flujo = scene.open({ flows: [ask] });
    const { runId } = await flujo.run(ask, null);
    expect(await flujo.resume(runId, "no")).toMatchObject({ status: "failed", failure: { code: "OUTPUT_INVALID" } });
    await flujo.retry(runId);
    expect(await flujo.result(runId)).toMatchObject({ status: "paused" });
    expect(await flujo.resume(runId, "yes")).toMatchObject({ status: "completed", output: "yes" });
  });

  it("keeps an answer that was accepted and never consumed because the run was cancelled", async () => {
    await using scene = new Scene(store);
    const ask = flow("ask", { version: "1" }).human("ok", { message: "ok?" }).build();
    const first = scene.open({ flows: [ask] });
    const { runId } = await first.run(ask, null);
    await first.close();
    const client = scene.open({ flows: [], worker: {} });
    await client.answer(runId, "yes");
    await client.cancel(runId);
    await client.close();
    const second = scene.open({ flows: [ask] });
    expect(await second.result(runId, { until: "end" })).toMatchObject({ status: "cancelled" });
    await second.retry(runId);
    expect(await second.result(runId, { until: "end" })).toMatchObject({ status: "completed", output: "yes" });
  });

  it("keeps a signal that came early and was not consumed, or lets its sender send it again", async () => {
    await using scene = new Scene(store);
    let broken = true;
    const early = flow("early", { version: "1" })
      .step("work", () => {
        if (broken) throw new Error("not yet");
      })
      .waitForSignal("go", "go")
      .build();
    const flujo = scene.open({ flows: [early] });
    const { runId } = await flujo.start(early, null, { startAt: Date.now() + 50 });
    expect(await flujo.signal(runId, "go", 1, { id: "go-1" })).toBe("delivered");
    expect(await flujo.result(runId, { until: "end" })).toMatchObject({ status: "failed" });
    broken = false;
    await flujo.retry(runId);
    await flujo.signal(runId, "go", 1, { id: "go-1" });
    expect(await within(flujo.result(runId, { until: "end" }))).toMatchObject({ status: "completed", output: 1 });
  });

  it("is refused when a compensation has begun, although it failed; a fork goes on from there", async () => {
    await using scene = new Scene(store);
    let broken = true;
    const calls: string[] = [];
    const saga = flow("saga", { version: "1" })
      .step("a", () => calls.push("a"), {
        compensate: () => {
          calls.push("undo a");
          if (broken) throw new Error("cannot undo");
        },
      })
      .step("b", () => {
        calls.push("b");
        if (broken) throw new Error("not yet");
        return "done";
      })
      .build();
    const flujo = scene.open({ flows: [saga] });
    const { runId } = await flujo.run(saga, null);
    broken = false;
    expect(await codeOf(flujo.retry(runId))).toBe("RUN_COMPENSATED");
    const [done] = await eventsOf(flujo, runId, "step.completed");
    const fork = await flujo.fork(runId, { at: done?.seq ?? 0 });
    expect(await within(fork.result({ until: "end" }))).toMatchObject({ status: "completed", output: "done" });
    expect(calls).toEqual(["a", "b", "undo a", "b"]);
  });
});
