import { describe, expect, it } from "vitest";
import { ROOT_FIBER, type RunId, runId } from "../../src/domain/ids.ts";
import { newRun, OTHER_RUN, OTHER_WORKER, RUN, WORKER } from "../../src/testing/conformance/records.ts";
import { rejection } from "../../src/testing/conformance/scene.ts";
import { endRun, newEvent, park, transition } from "../../src/testing/conformance/transitions.ts";
import { hasRedisProgram, ownRedis } from "../setup/servers.ts";
import { bareClient, sceneAt, whenBack } from "./redis-servers.ts";

const LEASE_MS = 60_000;

describe.skipIf(!hasRedisProgram())("a Redis store whose server starts anew (skipped without redis-server)", () => {
  it("has every commit that it acknowledged after a kill -9, with appendfsync always (I3)", async () => {
    await using server = await ownRedis({ appendonly: "always" });
    await using opened = await sceneAt({ url: server.url, requireDurable: true });
    const { scene, store } = opened;
    const lease = await scene.worker(WORKER, LEASE_MS);
    const ids = Array.from({ length: 20 }, (_, i) => runId(`run-${i}`));
    await store.createRuns(ids.map((id) => newRun({ id, lease, root: { leased: true } })));
    const acknowledged = new Map<RunId, number>(ids.map((id) => [id, 0]));
    const work = ids.map(async (run) => {
      try {
        for (let seq = 0; ; seq++) {
          const [outcome] = await store.commit([
            transition({ run, fiber: ROOT_FIBER, lease, seq }, { event: newEvent(seq) }),
          ]);
          expect(outcome).toMatchObject({ status: "committed" });
          acknowledged.set(run, seq + 1);
          if (run === ids[0] && seq === 50) await server.kill();
        }
      } catch (error) {
        expect(error).toMatchObject({ code: "STORE_UNAVAILABLE" });
      }
    });
    await Promise.all(work);
    await server.start();
    for (const [run, count] of acknowledged) {
      const events = await whenBack(() => store.history(run));
      expect(events.length - 1).toBeGreaterThanOrEqual(count);
      expect((await scene.fiber(run))?.seq).toBe(events.length - 1);
    }
    expect(acknowledged.get(ids[0] as RunId)).toBeGreaterThan(50);
  });

  it("goes on with scripts that the server has forgotten", async () => {
    await using server = await ownRedis({ appendonly: "always" });
    await using opened = await sceneAt({ url: server.url });
    const { scene, store } = opened;
    const held = await scene.hold(await scene.worker(WORKER, LEASE_MS));
    const root = await scene.pass(transition(held));
    await server.kill();
    await server.start();
    await whenBack(() => store.load(RUN));
    await scene.pass(transition(root));
    using bare = bareClient(server.url);
    await bare.client.script("FLUSH");
    await scene.pass(endRun({ ...held, seq: 2 }, { output: "done" }));
    expect(await store.load(RUN)).toMatchObject({ status: "completed", output: "done" });
  });

  it("knows nothing after a FLUSHALL, tells the worker that it is lost, and works on", async () => {
    await using server = await ownRedis();
    await using opened = await sceneAt({ url: server.url });
    const { scene, store } = opened;
    const lease = await scene.worker(WORKER, LEASE_MS);
    const held = await scene.hold(lease);
    await scene.pass(park(await scene.hold(lease, { id: OTHER_RUN })));
    using bare = bareClient(server.url);
    await bare.client.flushall();
    expect(await scene.commit(transition(held))).toEqual({ status: "lost" });
    expect(await store.heartbeat(lease.worker, lease.epoch, LEASE_MS)).toEqual({ status: "lost" });
    expect(await scene.claim(lease)).toEqual([]);
    expect(await scene.signal({ run: OTHER_RUN })).toBe("unknown");
    expect(await store.load(RUN)).toBe(undefined);
    expect(await store.sweep()).toEqual({ workers: [], fibers: 0 });
    const again = await scene.worker(WORKER, LEASE_MS);
    expect(again.epoch).toBeGreaterThan(lease.epoch);
    await scene.pass(endRun(await scene.hold(again)));
    await using second = await sceneAt({ url: server.url });
    expect(await second.scene.status()).toBe("completed");
  });

  it("is unavailable while the server has no memory left, writes nothing of a batch, and goes on afterwards", async () => {
    await using server = await ownRedis();
    await using opened = await sceneAt({ url: server.url });
    const { scene, store } = opened;
    const lease = await scene.worker(WORKER, LEASE_MS);
    const [first, second] = [await scene.hold(lease), await scene.hold(lease, { id: OTHER_RUN })];
    using bare = bareClient(server.url);
    await bare.client.config("SET", "maxmemory", "1mb");
    const batch = [transition(first, { event: newEvent(1) }), park(second)];
    for (const act of [() => store.commit(batch), () => store.createRuns([newRun({ id: runId("late") })])]) {
      expect((await rejection(act())).code).toBe("STORE_UNAVAILABLE");
    }
    expect([(await scene.fiber())?.seq, (await scene.fiber(OTHER_RUN))?.seq]).toEqual([0, 0]);
    expect(await scene.facts()).toEqual([["created"]]);
    await bare.client.config("SET", "maxmemory", "0");
    expect(await store.commit(batch)).toMatchObject([{ status: "committed" }, { status: "committed" }]);
  });

  it("says that a replica is read-only", async () => {
    await using server = await ownRedis();
    await using opened = await sceneAt({ url: server.url });
    using bare = bareClient(server.url);
    await bare.client.call("REPLICAOF", "127.0.0.1", "1");
    expect((await rejection(opened.store.register(WORKER, LEASE_MS))).code).toBe("STORE_READ_ONLY");
  });

  it("sweeps by the server's clock what a worker left", async () => {
    await using server = await ownRedis();
    await using opened = await sceneAt({ url: server.url });
    const { scene, store } = opened;
    await scene.hold(await scene.worker(WORKER, 20));
    await expect.poll(() => store.sweep()).toEqual({ workers: [WORKER], fibers: 1 });
    const [fiber] = await scene.claim(await scene.worker(OTHER_WORKER, LEASE_MS));
    expect(Math.abs((fiber?.claimedAt ?? 0) - Date.now())).toBeLessThan(5_000);
  });
});
