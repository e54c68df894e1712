import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { memoryStore } from "../../src/testing.ts";
import { Scene } from "../engine/scene.ts";
import { wait } from "./waiting.ts";
import { wrapped } from "./wrapped.ts";

describe("a run whose start was answered by nobody", () => {
  it("is worked on although other runs are being started all the time", async () => {
    let lose = true;
    const store = wrapped(memoryStore(), {
      createRuns: (real) => async (runs) => {
        const outcomes = await real(runs);
        if (lose) {
          lose = false;
          throw new Error("the answer was lost");
        }
        await wait(20); // a store at the other end of a network
        return outcomes;
      },
    });
    await using scene = new Scene("memory");
    const quick = flow("quick", { version: "1" })
      .step("s", () => 1)
      .build();
    const flujo = scene.open({ store, flows: [quick] });
    await flujo.open();
    await flujo.start(quick, null, { id: "lost" }).catch(() => undefined);
    const others: Promise<unknown>[] = [];
    for (const until = Date.now() + 3_500; Date.now() < until; await wait(5)) others.push(flujo.run(quick, null));
    const record = await store.load("lost" as never);
    await Promise.all(others);
    await flujo.result("lost", { until: "end" });
    await flujo.close();
    await store.close();
    expect(record?.status).toBe("completed");
  });
});

describe("a run that is started while its process closes", () => {
  it("is left to others", async () => {
    const store = wrapped(memoryStore(), {
      createRuns: (real) => async (runs) => {
        await wait(50); // on its way to the store
        return real(runs);
      },
    });
    await using scene = new Scene("memory");
    const quick = flow("quick", { version: "1" })
      .step("s", () => 1)
      .build();
    const first = scene.open({ store, flows: [quick] });
    await first.open();
    const starting = first.start(quick, null, { id: "late" }).catch(() => undefined);
    await wait(10);
    await first.close();
    await starting;
    await wait(100);
    const second = scene.open({ store, flows: [quick] });
    await second.open();
    await wait(1_500);
    const record = await store.load("late" as never);
    const [fiber] = await store.fibers("late" as never);
    await second.close();
    await store.close();
    expect({ status: record?.status, owner: fiber?.owner }).toEqual({ status: "completed", owner: undefined });
  });
});
