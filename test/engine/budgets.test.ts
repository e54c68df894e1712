import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { VirtualClock } from "./clock.ts";
import { eventsOf } from "./reading.ts";
import { Scene, STORES } from "./scene.ts";

const LIMITS = { costUsd: 0.5, requests: 3 };
const small = flow("small", { version: "1" })
  .input<number>()
  .step("work", (n) => n)
  .build();

describe.each(STORES)("what a runner limits on %s", (store) => {
  it("holds for runs that its schedules start", async () => {
    const clock = new VirtualClock();
    await using scene = new Scene(store, clock);
    const flujo = scene.open({ flows: [small], limits: { ...LIMITS, wallTime: "1h" } });
    await clock.until(flujo.schedule("often", { flow: small, every: "1m", input: 1 }));
    await clock.goOn(90_000);
    const { items } = await clock.until(flujo.list());
    expect(items).toHaveLength(1);
    const [started] = await clock.until(eventsOf(flujo, items[0]?.id ?? "", "run.started"));
    expect(started?.limits).toEqual({ costMicroUsd: 500_000, requests: 3 });
    expect(started?.deadlineAt).toBeGreaterThan(started?.at ?? 0);
  });
});

it("what a runner limits holds for child runs of a run that was started where nothing is limited", async () => {
  await using scene = new Scene("sqlite"); // processes share it
  const parent = flow("parent", { version: "1" })
    .input<number>()
    .background("aside", small, { input: (n) => n })
    .call("waited", small, { input: () => 2 })
    .build();
  const careless = scene.open({ flows: [parent], worker: false });
  const careful = scene.open({ flows: [parent], limits: LIMITS, backgroundLimits: { costUsd: 0.1 } });
  const { runId } = await careless.start(parent, 1);
  await careful.result(runId);
  const { items } = await careful.list({ parent: runId });
  const limits = await Promise.all(
    items.map(async ({ id, input }) => ({ input, limits: (await eventsOf(careful, id, "run.started"))[0]?.limits })),
  );
  expect(limits).toHaveLength(2);
  expect(limits).toContainEqual({ input: 1, limits: { costMicroUsd: 100_000, requests: 3 } });
  expect(limits).toContainEqual({ input: 2, limits: { costMicroUsd: 500_000, requests: 3 } });
});
