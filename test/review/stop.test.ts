import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { eventually, eventsOf } from "../engine/reading.ts";
import { Scene, STORES } from "../engine/scene.ts";

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true }));

describe.each(STORES)("stopping a worker on %s", (store) => {
  it("does not fail a run whose step obeys its signal: the step is handed on", async () => {
    await using scene = new Scene(store);
    let calls = 0;
    const long = flow("long", { version: "1" })
      .step("work", async (_, ctx) => (++calls === 1 ? aborted(ctx.signal) : "done"))
      .build();
    const first = scene.open({ flows: [long], worker: { drain: 20 } });
    const { runId } = await first.start(long, null);
    await eventually("the step to run", () => calls === 1);
    await first.close();
    const second = scene.open({ flows: [long] });
    expect(await second.result(runId, { until: "end" })).toMatchObject({ status: "completed", output: "done" });
  });

  it("leaves compensations to finish, as Holdings.abortAll says, instead of counting them as failed", async () => {
    await using scene = new Scene(store);
    let undone = 0;
    const saga = flow("saga", { version: "1" })
      .step("charge", () => "charged", {
        compensate: async (_, ctx) => (++undone === 1 ? aborted(ctx.signal) : "refunded"),
      })
      .step("ship", () => {
        throw new Error("no stock");
      })
      .build();
    const first = scene.open({ flows: [saga], worker: { drain: 20 } });
    const { runId } = await first.start(saga, null);
    await eventually("the compensation to run", () => undone === 1);
    await first.close();
    const second = scene.open({ flows: [saga] });
    const result = await second.result(runId, { until: "end" });
    expect(await eventsOf(second, runId, "undo.failed")).toEqual([]);
    expect(result).toMatchObject({ status: "failed", failure: { code: "STEP_FAILED" } });
  });
});
