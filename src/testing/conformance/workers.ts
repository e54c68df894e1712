import { workerId } from "../../domain/ids.ts";
import { LEASE_MS, newChild, OTHER_RUN, OTHER_WORKER, START_MS, WORKER } from "./records.ts";
import type { AspectSuite } from "./suite.ts";
import { transition } from "./transitions.ts";

export const workers: AspectSuite = {
  aspect: "workers",
  title: "lists the workers",
  define({ it, expect }) {
    it("knows none at first", async ({ store }) => {
      expect(await store.workers()).toEqual([]);
    });

    it("shows what a worker said of itself, its epoch and its lease", async ({ store }) => {
      const about = { host: "a\0b", flows: ["parcel@1"], slots: 8, since: null };
      const { epoch } = await store.register(WORKER, LEASE_MS, about);
      expect(await store.workers()).toEqual([
        { worker: WORKER, epoch, leaseUntil: START_MS + LEASE_MS, held: 0, about },
      ]);
    });

    it("shows null for a worker that said nothing", async ({ store }) => {
      await store.register(WORKER, LEASE_MS);
      expect(await store.workers()).toMatchObject([{ about: null }]);
    });

    it("lists workers by id", async ({ store }) => {
      for (const id of ["w-2", "w-10", "W-3", "w-1"]) await store.register(workerId(id), LEASE_MS);
      expect((await store.workers()).map(({ worker }) => worker)).toEqual(["W-3", "w-1", "w-10", "w-2"]);
    });

    it("shows a worker that registers again once, as it is now", async ({ store }) => {
      await store.register(WORKER, LEASE_MS, "before");
      const { epoch } = await store.register(WORKER, 2 * LEASE_MS, "after");
      expect(await store.workers()).toEqual([
        { worker: WORKER, epoch, leaseUntil: START_MS + 2 * LEASE_MS, held: 0, about: "after" },
      ]);
    });

    it("shows how long the lease holds after a heartbeat", async ({ store, clock }) => {
      const { epoch } = await store.register(WORKER, LEASE_MS);
      clock.advance(500);
      await store.heartbeat(WORKER, epoch, LEASE_MS);
      expect(await store.workers()).toMatchObject([{ leaseUntil: START_MS + 500 + LEASE_MS }]);
    });

    it("shows what a worker said last, and keeps it when a heartbeat says nothing", async ({ store }) => {
      const { epoch } = await store.register(WORKER, LEASE_MS, "first");
      await store.heartbeat(WORKER, epoch, LEASE_MS, { flows: ["new"] });
      await store.heartbeat(WORKER, epoch, LEASE_MS);
      expect(await store.workers()).toMatchObject([{ about: { flows: ["new"] } }]);
    });

    it("lets nobody speak for a worker under an epoch that is over", async ({ store }) => {
      const { epoch } = await store.register(WORKER, LEASE_MS, "first");
      await store.register(WORKER, LEASE_MS, "second");
      await store.heartbeat(WORKER, epoch, LEASE_MS, "late");
      expect(await store.workers()).toMatchObject([{ about: "second" }]);
    });

    it("counts the fibers that each worker holds", async (scene) => {
      const lease = await scene.worker();
      await scene.worker(OTHER_WORKER);
      const held = await scene.hold(lease);
      await scene.pass(transition(held, { spawn: [newChild(1, { leased: true }), newChild(2)] }));
      await scene.start({ id: OTHER_RUN });
      const heldNow = async (): Promise<readonly number[]> => (await scene.store.workers()).map((one) => one.held);
      expect(await heldNow()).toEqual([2, 0]);
      await scene.claim(lease);
      expect(await heldNow()).toEqual([4, 0]);
      await scene.store.release(WORKER, lease.epoch);
      expect(await heldNow()).toEqual([0, 0]);
    });

    it("shows a worker whose lease ran out until somebody sweeps", async ({ store, clock }) => {
      await store.register(WORKER, LEASE_MS);
      await store.register(OTHER_WORKER, 10 * LEASE_MS);
      clock.advance(LEASE_MS);
      expect((await store.workers()).map(({ worker }) => worker)).toEqual([WORKER, OTHER_WORKER]);
      await store.sweep();
      expect((await store.workers()).map(({ worker }) => worker)).toEqual([OTHER_WORKER]);
    });
  },
};
