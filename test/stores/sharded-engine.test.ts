import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { checkInvariants } from "../../src/engine/invariants.ts";
import { eventually } from "../engine/reading.ts";
import { Scene } from "../engine/scene.ts";
import { Cluster } from "./sharded-cases.ts";

const pack = flow("pack", { version: "1" })
  .step("weigh", (n) => (n as number) * 2)
  .build();
const ask = flow("ask", { version: "1" }).waitForSignal("answer", "answer").build();
const order = flow("order", { version: "1" })
  .map(
    "parcels",
    () => [1, 2, 3, 4, 5, 6, 7, 8],
    (b) => b.call("pack", pack, { input: (n) => n as number }),
  )
  .step("sum", (parcels) => (parcels as readonly number[]).reduce((sum, n) => sum + n, 0))
  .build();
const waits = flow("waits", { version: "1" })
  .call("ask", ask, { input: () => null })
  .build();
const flows = [pack, ask, order, waits];

describe("a cluster over three shards", () => {
  it("runs flows whose child runs are spread over all of them", async () => {
    await using cluster = new Cluster(3);
    await using scene = new Scene("memory");
    const stores = [await cluster.router(), await cluster.router()].map(({ store }) => store);
    const [one, two] = stores.map((store) => scene.open({ store, flows }));
    if (one === undefined || two === undefined) return;
    const runs = await Promise.all(
      Array.from({ length: 6 }, async (_item, i) => (i % 2 === 0 ? one : two).run(order, null, { id: `order-${i}` })),
    );
    for (const run of runs) expect(run).toMatchObject({ status: "completed", output: 72 });
    const { items } = await one.list({ flow: "pack", limit: 100 });
    expect(items).toHaveLength(48);
    expect(new Set(items.map(({ id }) => stores[0]?.partitionOf?.(id as never))).size).toBe(3);
    expect(await cluster.outboxes()).toBe(0);
    expect(await checkInvariants(stores[0] as never)).toEqual([]);
  });

  it("brings answers and cancels to child runs wherever they are", async () => {
    await using cluster = new Cluster(3);
    await using scene = new Scene("memory");
    const { store } = await cluster.router();
    const flujo = scene.open({ store, flows });
    const ids = Array.from({ length: 6 }, (_item, i) => `waits-${i}`);
    for (const id of ids) await flujo.start(waits, null, { id });
    const children = await eventually("all children to wait", async () => {
      const { items } = await flujo.list({ flow: "ask", status: "waiting" });
      return items.length === ids.length && items;
    });
    for (const [i, { id }] of children.entries()) {
      if (i % 2 === 0) await flujo.signal(id, "answer", i);
    }
    const parents = new Map(children.map(({ id, parent }, i) => [String(parent), { id, i }]));
    for (const id of ids) {
      const child = parents.get(id);
      if (child === undefined) throw new Error(`expected a child of ${id}`);
      if (child.i % 2 === 0) {
        expect(await flujo.result(id, { until: "end" })).toMatchObject({ status: "completed", output: child.i });
      } else {
        await flujo.cancel(id, "enough");
        expect(await flujo.result(id, { until: "end" })).toMatchObject({ status: "cancelled" });
        expect(await flujo.result(child.id, { until: "end" })).toMatchObject({ status: "cancelled" });
      }
    }
    expect(await cluster.outboxes()).toBe(0);
  });
});
