import type { Flujo } from "flujo";
import { expect, it } from "vitest";
import { completedSteps, eventsOf, eventually } from "../engine/reading.ts";
import { wrapped } from "../review/wrapped.ts";
import { BACKENDS, describeOn } from "../setup/backends.ts";
import { Cluster } from "./cluster.ts";
import { four } from "./flows.ts";
import { asking, channel, counter, group, locked, patient } from "./groups.ts";

/** Kills of a worker amid a group; twenty where the time does not matter. */
const KILLS = process.env["FLUJO_TEST_CRASH"] === "full" ? 20 : 2;
const HELD = "root/members/held/held";
const SERVERS = BACKENDS.filter(({ name }) => name === "postgres" || name === "redis");

/** Group scenarios 10 to 17: several workers on one store, a barrier, and what happens to it when one of them dies. */
describeOn(SERVERS, "groups over several workers on %s", (backend) => {
  const startGroup = async (cluster: Cluster, flujo: Flujo, n: number) => {
    const handle = await flujo.start(group, n);
    await eventually("the slow member to begin", () => cluster.pidsOf(HELD).length > 0);
    return handle;
  };

  it("scenario 10: counts to 500 when five members count to a hundred at once", async () => {
    await using cluster = new Cluster(backend);
    await Promise.all([cluster.worker({ concurrency: 3 }), cluster.worker({ concurrency: 3 })]);
    const flujo = cluster.scene.open({ flows: [counter], worker: false });
    expect(await (await flujo.start(counter, null)).output()).toBe(500);
  });

  it("scenario 10: counts to 50 in a file that is no database, where a key lets one step in at a time", async () => {
    await using cluster = new Cluster(backend);
    const flujo = cluster.scene.open({ flows: [locked], worker: false });
    await flujo.setQueue("locks", { perKey: { concurrency: 1 } });
    const queues = ["default", "locks"];
    await Promise.all([cluster.worker({ concurrency: 3, queues }), cluster.worker({ concurrency: 3, queues })]);
    expect(await (await flujo.start(locked, null)).output()).toBe(50);
  });

  it("scenario 11: gives members what was set before the group, and what they wrote to what comes after it", async () => {
    await using cluster = new Cluster(backend);
    await Promise.all([cluster.worker({ concurrency: 2 }), cluster.worker({ concurrency: 2 })]);
    const flujo = cluster.scene.open({ flows: [channel], worker: false });
    const handles = await Promise.all([3, 5, 7, 11].map((n) => flujo.start(channel, n)));
    const outputs = await Promise.all(handles.map((handle) => handle.output()));
    expect(outputs).toEqual(
      [3, 5, 7, 11].map((n) => ({ seen: [1, 2, 3, 4, 5, 6, 7, 8].map((item) => `${item}:${n}`), total: 36 * n })),
    );
    expect(new Set(cluster.pidsOf("root/members/body/member")).size).toBe(2);
  });

  it(`scenario 12: goes on in the other worker within ten seconds after SIGKILL, ${KILLS} times`, async () => {
    for (let kills = 0; kills < KILLS; kills++) {
      await using cluster = new Cluster(backend);
      const workers = await Promise.all([cluster.worker(), cluster.worker()]);
      const flujo = cluster.scene.open({ flows: [group], worker: false });
      const handle = await startGroup(cluster, flujo, 1);
      const [pid] = cluster.pidsOf(HELD);
      const victim = workers.find((one) => one.pid === pid);
      const heir = workers.find((one) => one.pid !== pid);
      await victim?.kill();
      await eventually("the member to begin again", () => cluster.pidsOf(HELD).length === 2, 10_000);
      const member = (await handle.get()).fibers.find(({ at }) => at === "root/members/held");
      expect(member).toMatchObject({ position: "leased", deliveries: 1 }); // born leased, adopted once since
      cluster.letGo("held");
      expect(await handle.output()).toBe(`quick of 1, other of 1, held of 1 by ${heir?.pid}`);
      expect(cluster.pidsOf("root/after")).toHaveLength(1);
      expect((await completedSteps(flujo, handle.runId)).sort()).toEqual([
        "root/after",
        HELD,
        "root/members/other/other",
        "root/members/quick/quick",
      ]);
    }
  });

  it("scenario 13: opens the barrier once when a frozen worker thaws after another has finished its member", async () => {
    await using cluster = new Cluster(backend);
    const frozen = await cluster.worker();
    const flujo = cluster.scene.open({ flows: [group], worker: false });
    const handle = await startGroup(cluster, flujo, 2);
    frozen.signal("SIGSTOP");
    const other = await cluster.worker();
    await eventually("the member to begin elsewhere", () => cluster.pidsOf(HELD).length === 2);
    cluster.letGo("held");
    expect(await handle.output()).toBe(`quick of 2, other of 2, held of 2 by ${other.pid}`);
    frozen.signal("SIGCONT");
    frozen.tell("stop");
    await frozen.said("stopped"); // what it had to say late, it has said
    expect(await handle.output()).toBe(`quick of 2, other of 2, held of 2 by ${other.pid}`);
    expect(await eventsOf(flujo, handle.runId, "fork.joined")).toHaveLength(1);
    expect(cluster.pidsOf("root/after")).toEqual([other.pid]);
  });

  it("scenario 14: declares neither a member dead that computes for longer than its lease, nor one that waits", async () => {
    await using cluster = new Cluster(backend);
    // A thread that guards the lease must have time to start, also on a busy machine.
    const leases = { lease: 1_500, heartbeat: 300, sweep: 200 };
    await Promise.all([cluster.worker(leases), cluster.worker(leases)]);
    const flujo = cluster.scene.open({ flows: [patient], worker: false });
    const handle = await flujo.start(patient, 4_000);
    expect(await handle.output()).toEqual({ computing: 4_000, waiting: 4_000 });
    expect(cluster.begun().sort()).toEqual(["root/members/computing/compute", "root/members/waiting/wait"]);
  });

  it("scenario 15: stores the shape of a flow once, however often it runs, and that of another when it is there", async () => {
    await using cluster = new Cluster(backend);
    const stored: string[] = [];
    const store = wrapped(await cluster.scene.store(), {
      putDefinitions: (put) => (definitions) => {
        stored.push(...definitions.map(({ name }) => name));
        return put(definitions);
      },
    });
    const flujo = cluster.scene.open({ store, flows: [channel], resources: { ledger: cluster.ledger } });
    const handles = await Promise.all(Array.from({ length: 100 }, () => flujo.start(channel, 1)));
    await Promise.all(handles.map((handle) => handle.output()));
    expect(stored).toEqual(["channel"]);
    await flujo.register(four);
    await flujo.register(four);
    expect(stored).toEqual(["channel", "four"]);
  });

  it("scenario 16: keeps two runs of one flow apart that are in one group at the same time", async () => {
    await using cluster = new Cluster(backend);
    const [one, other] = await Promise.all([cluster.worker(), cluster.worker()]);
    const flujo = cluster.scene.open({ flows: [group], worker: false });
    const handles = await Promise.all([flujo.start(group, 7), flujo.start(group, 8)]);
    await eventually("both to be in the group", () => cluster.pidsOf(HELD).length === 2);
    cluster.letGo("held");
    const outputs = await Promise.all(handles.map((handle) => handle.output()));
    const by = [one.pid, other.pid].join("|");
    expect(outputs[0]).toMatch(new RegExp(`^quick of 7, other of 7, held of 7 by (${by})$`));
    expect(outputs[1]).toMatch(new RegExp(`^quick of 8, other of 8, held of 8 by (${by})$`));
  });

  it("scenario 17: keeps a question open without a worker, uses its answer once, and really asks the second", async () => {
    await using cluster = new Cluster(backend);
    const first = await cluster.worker();
    const flujo = cluster.scene.open({ flows: [asking], worker: false });
    const handle = await flujo.start(asking, null);
    const paused = await handle.result();
    expect(paused).toMatchObject({ status: "paused" });
    expect((await handle.get()).fibers).toMatchObject([{ position: "parked" }]); // no slot is held
    first.tell("stop");
    await first.finished();
    const [question] = (await handle.get()).pauses;
    await flujo.answer(handle.runId, "yes", { token: question?.token ?? "" });
    await cluster.worker();
    const second = await eventually("the second question", async () => {
      const { pauses } = await handle.get();
      return pauses.length === 1 && pauses[0]?.token !== question?.token && pauses[0];
    });
    expect(second.question).toBe("you said yes; sure?");
    expect(cluster.begun()).toEqual(["root/keep"]);
    await flujo.answer(handle.runId, true, { token: second.token });
    expect(await handle.output()).toEqual(["asked twice", true]);
    expect(await eventsOf(flujo, handle.runId, "wait.answered")).toHaveLength(2);
  });
});
