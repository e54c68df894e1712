import { describe, expect, it } from "vitest";
import { SHORT_LEASE } from "../crash/flows.ts";
import { recorded, tally } from "../crash/ledger.ts";
import { completedSteps, eventsOf, eventually } from "../engine/reading.ts";
import { describeOn, SHARED_BACKENDS } from "../setup/backends.ts";
import { five, four, logged, signed } from "./flows.ts";
import { Cluster } from "./cluster.ts";

/** Why the scenarios here do not run on memory. */
const NOT_ON_MEMORY = "it needs another process: a memory store is seen by the one that holds it, and is gone with it";

describeOn(SHARED_BACKENDS, "a killed process on %s", (backend) => {
  it("scenario 4: loses nothing when it dies in step 3 of 5, and repeats that step only", async () => {
    await using cluster = new Cluster(backend);
    const doomed = await cluster.worker();
    const flujo = cluster.scene.open({ flows: [five], worker: false });
    const handle = await flujo.start(five, 0);
    await eventually("step 3 to begin", () => cluster.begun().includes("root/three"));
    await doomed.kill();
    cluster.letGo("three");
    await cluster.worker();
    expect(await handle.output()).toBe(11_111);
    expect(tally(cluster.begun())).toEqual(
      new Map([
        ["root/one", 1],
        ["root/two", 1],
        ["root/three", 2],
        ["root/four", 1],
        ["root/five", 1],
      ]),
    );
    expect(await completedSteps(flujo, handle.runId)).toEqual(
      ["one", "two", "three", "four", "five"].map((name) => `root/${name}`),
    );
  });

  it("scenario 8: does not run the branches again that had finished, and joins all four in order", async () => {
    await using cluster = new Cluster(backend);
    const doomed = await cluster.worker();
    const flujo = cluster.scene.open({ flows: [four], worker: false });
    const handle = await flujo.start(four, 0);
    await eventually(
      "two branches to finish while two are under way",
      async () => (await completedSteps(flujo, handle.runId)).length === 2 && cluster.begun().length === 4,
    );
    await doomed.kill();
    cluster.letGo("b");
    cluster.letGo("d");
    await cluster.worker();
    expect(Object.entries(await handle.output())).toEqual([
      ["a", 1],
      ["b", 2],
      ["c", 3],
      ["d", 4],
    ]);
    expect(tally(cluster.begun())).toEqual(
      new Map([
        ["root/all/a/a", 1],
        ["root/all/b/b", 2],
        ["root/all/c/c", 1],
        ["root/all/d/d", 2],
      ]),
    );
  });
});

describeOn(SHARED_BACKENDS, "two processes on %s", (backend) => {
  it("scenario 17: both do work on 200 runs, and never both on the same run", async () => {
    await using cluster = new Cluster(backend);
    const flujo = cluster.scene.open({ flows: [logged], worker: false });
    const handles = await Promise.all(Array.from({ length: 200 }, (_, i) => flujo.start(logged, i)));
    // Neither can take all of them, and none goes on before both have begun: one that starts late would find nothing to do.
    await Promise.all([cluster.worker({ concurrency: 50 }), cluster.worker({ concurrency: 50 })]);
    await eventually("both to begin", () => new Set(cluster.pidsOf("root/held")).size === 2);
    cluster.letGo("go");
    const outputs = await Promise.all(handles.map((handle) => handle.output()));
    expect(outputs).toEqual(handles.map((_, i) => i + 3));
    const told = recorded(cluster.ledger).filter(([what]) => what === "interval");
    const intervals = told.map(([, run = "", , pid = "", began = "", ended = ""]) => ({
      run,
      pid,
      began: Number(began),
      ended: Number(ended),
    }));
    expect(intervals).toHaveLength(600);
    expect(new Set(intervals.map(({ pid }) => pid)).size).toBe(2);
    for (const { runId } of handles) {
      const own = intervals.filter(({ run }) => run === runId).sort((a, b) => a.began - b.began);
      expect(own).toHaveLength(3);
      for (const [i, one] of own.entries()) expect(one.began).toBeGreaterThanOrEqual(own[i - 1]?.ended ?? 0);
    }
  });

  it("scenario 18: a step that lasts three leases is not given to another worker", async () => {
    await using cluster = new Cluster(backend);
    const flujo = cluster.scene.open({ flows: [signed], worker: false });
    await Promise.all([cluster.worker(), cluster.worker()]);
    const handle = await flujo.start(signed, 0);
    await eventually("the step to begin", () => cluster.begun().length === 1);
    const began = Date.now();
    await eventually("three leases to pass", () => Date.now() - began > 3 * Number(SHORT_LEASE.lease));
    expect((await handle.get()).fibers).toMatchObject([{ position: "leased", deliveries: 1 }]);
    cluster.letGo("sign");
    await handle.output();
    expect(cluster.begun()).toHaveLength(1);
  });

  it("scenario 18: the late result of a worker that was frozen past its lease is refused", async () => {
    await using cluster = new Cluster(backend);
    const frozen = await cluster.worker();
    const flujo = cluster.scene.open({ flows: [signed], worker: false });
    const handle = await flujo.start(signed, 0);
    await eventually("the step to begin", () => cluster.begun().length === 1);
    frozen.signal("SIGSTOP");
    const other = await cluster.worker();
    await eventually("the other worker to take over", () => cluster.begun().length === 2);
    cluster.letGo("sign");
    expect(await handle.output()).toBe(other.pid);
    frozen.signal("SIGCONT");
    frozen.tell("stop");
    await frozen.said("stopped"); // what it had to say late, it has said
    expect(await handle.output()).toBe(other.pid);
    expect(await eventsOf(flujo, handle.runId, "step.completed")).toHaveLength(1);
    expect(await eventsOf(flujo, handle.runId, "step.failed")).toHaveLength(0);
  });

  it("scenario 20: a process told to stop finishes the step under way, claims nothing more and exits", async () => {
    await using cluster = new Cluster(backend);
    const worker = await cluster.worker();
    const flujo = cluster.scene.open({ flows: [signed, five], worker: false });
    const busy = await flujo.start(signed, 0);
    await eventually("the step to begin", () => cluster.begun().length === 1);
    worker.tell("stop");
    await worker.said("closing");
    const waiting = await flujo.start(five, 0, { priority: 10 });
    cluster.letGo("sign");
    await worker.said("stopped");
    await worker.finished();
    expect(await busy.output()).toBe(worker.pid);
    const { status, fibers } = await waiting.get();
    expect([status, fibers]).toMatchObject(["pending", [{ position: "ready" }]]);
  });
});

describe("on memory", () => {
  it.for([
    "scenario 4: a process dies in step 3 of 5",
    "scenario 8: a process dies while two of four branches are finished",
    "scenario 17: two processes share 200 runs",
    "scenario 18: a worker is frozen past its lease",
  ])("%s", (_, { skip }) => skip(NOT_ON_MEMORY));
});
