import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { flow, FlujoError } from "flujo";
import { describe, expect, it } from "vitest";
import { memoryStore } from "../../src/testing.ts";
import { Scene, STORES } from "../engine/scene.ts";
import { within } from "./waiting.ts";

describe.each(STORES)("a caller on %s", (store) => {
  it("hears of the end of a run, whatever its output looks like", async () => {
    await using scene = new Scene(store);
    const odd = flow("odd", { version: "1" })
      .map(
        "m",
        () => [1],
        (b) =>
          b.step("s", () => {
            throw new FlujoError("STEP_FAILED", "no luck", { details: { $ref: "#/a" } });
          }),
        { join: "settled" },
      )
      .build();
    const flujo = scene.open({ flows: [odd] });
    const stop = new AbortController();
    const ended = within(flujo.run(odd, null, { signal: stop.signal }).catch((error: unknown) => ({ error })));
    const what = await ended;
    stop.abort();
    expect(what).not.toBe("nothing");
  });

  it("gets an answered run back from any worker, although a step of it ran in another queue", async () => {
    await using scene = new Scene(store);
    const mixed = flow("mixed", { version: "1" })
      .step("g", () => 1, { queue: "gpu" })
      .human("q", { message: "?" })
      .step("s", () => "done")
      .build();
    const gpu = scene.open({ flows: [mixed], worker: { queues: ["gpu"] } });
    await gpu.open();
    const cpu = scene.open({ flows: [mixed] });
    const { runId } = await cpu.run(mixed, null);
    await gpu.close(); // no more work for the dear machine
    const result = await within(cpu.resume(runId, "go"));
    await cpu.cancel(runId);
    const again = scene.open({ flows: [mixed], worker: { queues: ["gpu", "default"] } });
    await again.result(runId, { until: "end" });
    expect(result).toMatchObject({ status: "completed", output: "done" });
  });
});

describe("a store in memory", () => {
  it("forgets pruned runs, although their waits had deadlines far away", async () => {
    setFlagsFromString("--expose-gc");
    const gc = runInNewContext("gc") as () => void;
    const store = memoryStore();
    await using scene = new Scene("memory");
    const ask = flow("ask", { version: "1" })
      .human("q", { message: "?", deadline: "30 days", onTimeout: () => null })
      .build();
    const flujo = scene.open({ store, flows: [ask] });
    const open = await flujo.run(ask, null); // due before all others: what is stale behind it is not looked at
    await new Promise((resolve) => setTimeout(resolve, 20));
    gc();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 100; i++) {
      const { runId } = await flujo.run(
        ask,
        Array.from({ length: 3_000 }, (_, n) => ({ n })),
      );
      await flujo.resume(runId, 1);
      await flujo.prune({ endedBefore: Date.now() + 1 });
    }
    gc();
    const grownMiB = (process.memoryUsage().heapUsed - before) / 2 ** 20;
    await flujo.cancel(open.runId);
    await flujo.result(open.runId, { until: "end" });
    await flujo.close();
    await store.close();
    expect(grownMiB).toBeLessThan(8);
  });
});
