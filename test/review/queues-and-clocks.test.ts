import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { macrotask, VirtualClock as JumpyClock } from "../../src/testing/virtual-clock.ts";
import { memoryStore } from "../../src/testing.ts";
import { ambientOf } from "../engine/clock.ts";
import { gate } from "../engine/reading.ts";
import { Scene, STORES } from "../engine/scene.ts";

describe("a worker whose clock is set back", () => {
  it("keeps its lease and repeats nothing", async () => {
    const clock = new JumpyClock();
    const store = memoryStore({ clock });
    await using scene = new Scene("memory");
    const held = gate();
    let calls = 0;
    const long = flow("long", { version: "1" })
      .step("s", async () => {
        calls++;
        await held.opened;
      })
      .build();
    const flujo = scene.open({ store, flows: [long], ambient: ambientOf(clock) });
    const { runId } = await flujo.start(long, null);
    await clock.advance(2_000);
    expect(calls).toBe(1);
    clock.jump(-60_000); // NTP, or an operator
    await clock.advance(10_000);
    held.open();
    await macrotask();
    await clock.advance(5_000);
    const { status } = await flujo.get(runId);
    const closing = flujo.close();
    await clock.advance(20_000);
    await closing;
    await store.close();
    expect({ calls, status }).toEqual({ calls: 1, status: "completed" });
  });
});

describe.each(STORES)("a step with a queue of its own on %s", (store) => {
  it("runs in that queue also when its run is retried", async () => {
    await using scene = new Scene(store);
    const ran: string[] = [];
    const mixed = flow("mixed", { version: "1" })
      .step(
        "g",
        (_, ctx) => {
          ran.push(String(ctx.resources["where"]));
          if (ran.length === 1) throw new Error("not yet");
        },
        { queue: "gpu" },
      )
      .build();
    const cpu = scene.open({ flows: [mixed], resources: { where: "cpu" } });
    const gpu = scene.open({ flows: [mixed], worker: { queues: ["gpu"] }, resources: { where: "gpu" } });
    await gpu.open();
    const { runId } = await cpu.run(mixed, null);
    await cpu.retry(runId);
    await cpu.result(runId, { until: "end" });
    expect(ran).toEqual(["gpu", "gpu"]);
  });
});

describe.each(STORES)("a run with a timeout on %s", (store) => {
  // A limit, said in ARCHITECTURE.md: a row stands in one queue, and who does not serve that queue does not see its deadline.
  it.fails("ends although nobody serves the queue of its next step", async () => {
    await using scene = new Scene(store);
    const lonely = flow("lonely", { version: "1", timeout: 100 })
      .step("g", () => 1, { queue: "gpu" })
      .build();
    const flujo = scene.open({ flows: [lonely] });
    const stop = AbortSignal.timeout(2_000);
    const result = await flujo.run(lonely, null, { signal: stop }).catch(() => "still waiting");
    const [first] = (await flujo.list()).items;
    await flujo.cancel(first?.id ?? "");
    const gpu = scene.open({ flows: [lonely], worker: { queues: ["gpu"] } });
    await gpu.result(first?.id ?? "", { until: "end" });
    expect(result).toMatchObject({ status: "failed", failure: { code: "RUN_TIMEOUT" } });
  });
});
