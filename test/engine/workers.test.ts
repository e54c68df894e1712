import { hostname } from "node:os";
import { flow } from "flujo";
import { describe, expect, it } from "vitest";
import { eventually, gate } from "./reading.ts";
import { Scene, STORES } from "./scene.ts";

const report = (version: string, revision?: string) =>
  flow("report", { version, ...(revision !== undefined && { revision }) })
    .step("write", (_, { resources }) => `${version} by ${String(resources["name"])}`)
    .build();

describe.each(STORES)("workers of a store on %s", (store) => {
  it("tell where they run, which queues they serve, which flows they know and how much they hold", async () => {
    await using scene = new Scene(store);
    const held = gate();
    const slow = flow("slow", { version: "2" })
      .step("wait", () => held.opened)
      .build();
    const flujo = scene.open({ flows: [slow], worker: { id: "w-1", concurrency: 7, queues: ["default", "mail"] } });
    const { runId } = await flujo.start(slow, null);
    await eventually("the run to be held", async () => (await flujo.workers())[0]?.held === 1);
    expect(await flujo.workers()).toEqual([
      {
        id: "w-1",
        alive: true,
        leaseUntil: expect.any(Date) as Date,
        held: 1,
        concurrency: 7,
        queues: ["default", "mail"],
        flows: [{ name: "slow", version: "2", fingerprint: slow.fingerprint }],
        host: hostname(),
        pid: process.pid,
        flujo: expect.stringMatching(/^\d+\.\d+\.\d+/) as string,
        startedAt: expect.any(Date) as Date,
      },
    ]);
    held.open();
    await flujo.result(runId);
  });

  it("tell of flows that they learn later", async () => {
    await using scene = new Scene(store);
    const flujo = scene.open({ worker: { heartbeat: 20, lease: 3_000 } });
    await flujo.open();
    await flujo.register(report("1"));
    await eventually("the flow", async () => (await flujo.workers())[0]?.flows[0]?.name === "report");
  });
});

describe.each(STORES)("a rolling deploy on %s", (store) => {
  it("runs each version where it is known, and keeps the others, saying why", async () => {
    await using scene = new Scene(store);
    const old = scene.open({ flows: [report("1")], resources: { name: "old" } });
    const fresh = scene.open({ flows: [report("2")], resources: { name: "new" } });
    const client = scene.open({ flows: [report("1"), report("2"), report("3")], worker: { queues: ["nothing"] } });
    await Promise.all([old.open(), fresh.open(), client.open()]);
    const start = (version: string) => client.start({ name: "report", version }, null);
    const [one, two, three] = [await start("1"), await start("2"), await start("3")];
    expect([await one.output(), await two.output()]).toEqual(["1 by old", "2 by new"]);
    const { reasons } = await client.why(three.runId);
    const print = (version: string): string => report(version).fingerprint.slice(0, 12);
    expect(reasons).toEqual([
      `Fiber 0 is ready in queue "default", due now: none of the 2 workers alive that serve it knows report@3 with fingerprint ${print("3")}; they know report@1 (${print("1")}), report@2 (${print("2")}).`,
    ]);
    await old.close(); // the last of the old version goes
    const late = await start("1");
    expect((await client.why(late.runId)).reasons[0]).toContain("knows report@1");
    const newest = scene.open({ flows: [report("1"), report("3")], resources: { name: "newest" } });
    await newest.open();
    expect([await late.output(), await three.output()]).toEqual(["1 by newest", "3 by newest"]);
  });

  it("does not take what has changed under one version, and says so", async () => {
    await using scene = new Scene(store);
    const before = scene.open({ flows: [report("1")], worker: { queues: ["elsewhere"] } });
    const { runId } = await before.start("report", null);
    const changed = scene.open({ flows: [report("1", "changed")] });
    await changed.open();
    const reasons = (await changed.why(runId)).reasons.join("\n");
    expect(reasons).toContain("The flow has changed");
    expect(reasons).toMatch(/none of the 1 workers alive that serve it knows report@1 with fingerprint/);
    await before.cancel(runId);
    const healer = scene.open({ flows: [report("1")] });
    await healer.open();
    await healer.result(runId, { until: "end" });
  });

  it("says when nobody serves a queue, and when everybody is busy", async () => {
    await using scene = new Scene(store);
    const held = gate();
    const slow = flow("slow", { version: "1" })
      .step("wait", () => held.opened)
      .build();
    const flujo = scene.open({ flows: [slow], worker: { concurrency: 1 } });
    const first = await flujo.start(slow, null);
    const second = await flujo.start(slow, null);
    const elsewhere = await flujo.start(slow, null, { queue: "moon" });
    await eventually("the first to begin", async () => (await flujo.workers())[0]?.held === 1);
    expect((await flujo.why(second.runId)).reasons[0]).toContain(
      "all 1 workers that serve it are busy with 1 fibers; it waits for one to be free.",
    );
    expect((await flujo.why(elsewhere.runId)).reasons[0]).toContain(
      "no worker alive serves that queue; 1 serve default.",
    );
    held.open();
    await Promise.all([first.output(), second.output()]);
    await flujo.cancel(elsewhere.runId);
    const moon = scene.open({ flows: [slow], worker: { queues: ["moon"] } });
    await moon.open();
    await moon.result(elsewhere.runId, { until: "end" });
  });
});
