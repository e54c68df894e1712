import { ROOT_FIBER, runId } from "../../domain/ids.ts";
import type { Lease } from "../../ports/store.ts";
import { child, LEASE_MS, newChild, newRun, OTHER_RUN, OTHER_WORKER, RUN, START_MS, WORKER } from "./records.ts";
import type { Scene } from "./scene.ts";
import type { AspectSuite } from "./suite.ts";
import { handBack, next, park, transition } from "./transitions.ts";

/** The worker dies: its lease runs out and somebody sweeps. */
async function lose(scene: Scene): Promise<void> {
  scene.clock.advance(LEASE_MS + 1);
  await scene.store.sweep();
}

const beat = async (scene: Scene, { worker, epoch }: Lease, leaseMs: number = LEASE_MS): Promise<unknown> =>
  scene.store.heartbeat(worker, epoch, leaseMs);

const ALIVE = { status: "alive", cancelled: [] };

export const leases: AspectSuite = {
  aspect: "leases",
  title: "takes leases back from workers that fell silent",
  define({ it, expect }) {
    it("gives a worker a larger epoch each time it registers", async (scene) => {
      const epochs: number[] = [];
      for (let i = 0; i < 3; i++) epochs.push((await scene.worker()).epoch);
      expect(epochs).toEqual([...new Set(epochs)].toSorted((a, b) => a - b));
      expect(epochs[0]).toBeGreaterThan(0);
    });

    it("gives a larger epoch also after the worker was swept", async (scene) => {
      const { epoch } = await scene.worker();
      await lose(scene);
      await lose(scene);
      expect((await scene.worker()).epoch).toBeGreaterThan(epoch);
    });

    it("lets a sweep take nothing while the lease stands", async (scene) => {
      await scene.hold(await scene.worker());
      scene.clock.advance(LEASE_MS - 1);
      expect(await scene.store.sweep()).toEqual({ workers: [], fibers: 0 });
      expect((await scene.fiber())?.position).toBe("leased");
    });

    it("gives the fibers of an expired worker to the next one", async (scene) => {
      const old = await scene.worker();
      await scene.hold(old);
      await scene.hold(old, { id: OTHER_RUN });
      scene.clock.advance(LEASE_MS + 1);
      expect(await scene.store.sweep()).toEqual({ workers: [WORKER], fibers: 2 });
      const claimed = await scene.claimedKeys(await scene.worker(OTHER_WORKER));
      expect(claimed.toSorted()).toEqual([`${RUN}/${ROOT_FIBER}`, `${OTHER_RUN}/${ROOT_FIBER}`]);
    });

    it("makes swept fibers due at the time of the sweep", async (scene) => {
      await scene.hold(await scene.worker());
      await lose(scene);
      expect(await scene.fiber()).toMatchObject({ position: "ready", readyAt: START_MS + LEASE_MS + 1, seq: 0 });
      expect((await scene.fiber())?.owner).toBe(undefined);
    });

    it("sweeps once, however many ask", async (scene) => {
      await scene.hold(await scene.worker());
      scene.clock.advance(LEASE_MS + 1);
      const outcomes = await Promise.all([scene.store.sweep(), scene.store.sweep(), scene.store.sweep()]);
      expect(outcomes.reduce((sum, { fibers }) => sum + fibers, 0)).toBe(1);
      expect(await scene.store.sweep()).toEqual({ workers: [], fibers: 0 });
    });

    it("reports a worker that held nothing, too", async (scene) => {
      await scene.worker();
      scene.clock.advance(LEASE_MS + 1);
      expect(await scene.store.sweep()).toEqual({ workers: [WORKER], fibers: 0 });
    });

    it("takes only from those that fell silent", async (scene) => {
      const [silent, alive] = [await scene.worker(), await scene.worker(OTHER_WORKER)];
      await scene.hold(silent);
      await scene.hold(alive, { id: OTHER_RUN });
      scene.clock.advance(LEASE_MS - 1);
      await beat(scene, alive);
      scene.clock.advance(2);
      expect(await scene.store.sweep()).toEqual({ workers: [WORKER], fibers: 1 });
      expect((await scene.fiber(OTHER_RUN))?.owner).toEqual(alive);
    });

    it("renews everything that a worker holds with one heartbeat", async (scene) => {
      const lease = await scene.worker();
      await scene.hold(lease);
      await scene.hold(lease, { id: OTHER_RUN });
      for (let i = 0; i < 5; i++) {
        scene.clock.advance(LEASE_MS - 1);
        expect(await beat(scene, lease)).toMatchObject(ALIVE);
        expect(await scene.store.sweep()).toEqual({ workers: [], fibers: 0 });
      }
    });

    it("takes the length of the lease from the heartbeat", async (scene) => {
      const lease = await scene.worker();
      await beat(scene, lease, 60_000);
      scene.clock.advance(59_999);
      expect(await scene.store.sweep()).toEqual({ workers: [], fibers: 0 });
      await beat(scene, lease, 10);
      scene.clock.advance(11);
      expect(await scene.store.sweep()).toMatchObject({ workers: [WORKER] });
    });

    it("renews a lease that ran out when nobody swept it", async (scene) => {
      const lease = await scene.worker();
      const held = await scene.hold(lease);
      scene.clock.advance(LEASE_MS * 10);
      expect(await beat(scene, lease)).toMatchObject(ALIVE);
      expect(await scene.store.sweep()).toEqual({ workers: [], fibers: 0 });
      await scene.pass(transition(held));
    });

    it("tells a swept worker that it owns nothing", async (scene) => {
      const lease = await scene.worker();
      await lose(scene);
      expect(await beat(scene, lease)).toEqual({ status: "lost" });
      await scene.start();
      expect(await scene.claim(lease)).toEqual([]);
    });

    it("tells an unknown worker that it owns nothing", async (scene) => {
      expect(await beat(scene, { worker: WORKER, epoch: 1 })).toEqual({ status: "lost" });
    });

    it("does not let an old epoch renew the new one", async (scene) => {
      const old = await scene.worker();
      await scene.worker();
      expect(await beat(scene, old)).toEqual({ status: "lost" });
    });

    it("frees what an earlier epoch of a living worker held", async (scene) => {
      await scene.hold(await scene.worker());
      const current = await scene.worker();
      scene.clock.advance(LEASE_MS - 1);
      await beat(scene, current);
      scene.clock.advance(2);
      await scene.store.sweep();
      expect(await scene.claimedKeys(current)).toEqual([`${RUN}/${ROOT_FIBER}`]);
    });

    it("keeps the count of deliveries through a sweep", async (scene) => {
      await scene.start();
      await scene.claimOne(await scene.worker());
      await lose(scene);
      expect((await scene.claimOne(await scene.worker())).fiber.deliveries).toBe(2);
    });

    it("gives the next owner the same wait and the same messages", async (scene) => {
      await scene.pass(park(await scene.hold(await scene.worker())));
      await scene.deliver("paid");
      const before = (await scene.claimOne(await scene.worker(OTHER_WORKER))).fiber;
      await lose(scene);
      const after = (await scene.claimOne(await scene.worker(OTHER_WORKER))).fiber;
      expect(after.wait).toEqual(before.wait);
      expect(after.messages).toEqual(before.messages);
      expect(after.messages.map(({ id }) => id)).toEqual(["m1"]);
    });

    it("sweeps children as well as roots", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(transition(held, { spawn: [newChild(1, { leased: true })] }));
      scene.clock.advance(LEASE_MS + 1);
      expect(await scene.store.sweep()).toMatchObject({ fibers: 2 });
      const claimed = await scene.claimedKeys(await scene.worker(OTHER_WORKER));
      expect(claimed.toSorted()).toEqual([`${RUN}/${ROOT_FIBER}`, `${RUN}/${child(1)}`]);
    });
  },
};

export const release: AspectSuite = {
  aspect: "release",
  title: "takes leases back from workers that give them up",
  define({ it, expect }) {
    it("frees everything that the worker holds", async (scene) => {
      const lease = await scene.worker();
      await scene.hold(lease);
      await scene.hold(lease, { id: OTHER_RUN });
      expect(await scene.store.release(lease.worker, lease.epoch)).toBe(2);
      expect(await scene.claim(await scene.worker(OTHER_WORKER))).toMatchObject([{}, {}]);
    });

    it("frees only the fibers that are named", async (scene) => {
      const lease = await scene.worker();
      await scene.hold(lease);
      await scene.hold(lease, { id: OTHER_RUN });
      const named = [{ run: OTHER_RUN, fiber: ROOT_FIBER }];
      expect(await scene.store.release(lease.worker, lease.epoch, { only: named })).toBe(1);
      expect((await scene.fiber(RUN))?.owner).toEqual(lease);
      expect(await scene.claimedKeys(await scene.worker(OTHER_WORKER))).toEqual([`${OTHER_RUN}/${ROOT_FIBER}`]);
    });

    it("frees everything except what the worker says it holds", async (scene) => {
      const lease = await scene.worker();
      await scene.hold(lease);
      await scene.hold(lease, { id: OTHER_RUN });
      const except = [{ run: RUN, fiber: ROOT_FIBER }];
      expect(await scene.store.release(lease.worker, lease.epoch, { except })).toBe(1);
      expect((await scene.fiber(RUN))?.owner).toEqual(lease);
      expect(await scene.claimedKeys(lease)).toEqual([`${OTHER_RUN}/${ROOT_FIBER}`]);
    });

    it("frees everything when nothing is excepted", async (scene) => {
      const { lease } = await scene.hold(await scene.worker());
      expect(await scene.store.release(lease.worker, lease.epoch, { except: [] })).toBe(1);
      expect((await scene.fiber())?.position).toBe("ready");
    });

    it("frees nothing for an empty list", async (scene) => {
      const { lease } = await scene.hold(await scene.worker());
      expect(await scene.store.release(lease.worker, lease.epoch, { only: [] })).toBe(0);
      expect((await scene.fiber())?.position).toBe("leased");
    });

    it("does not count the delivery", async (scene) => {
      await scene.start();
      const lease = await scene.worker();
      for (let i = 0; i < 3; i++) {
        expect((await scene.claimOne(lease)).fiber.deliveries).toBe(1);
        await scene.store.release(lease.worker, lease.epoch);
      }
    });

    it("leaves the worker registered", async (scene) => {
      const { lease } = await scene.hold(await scene.worker());
      await scene.store.release(lease.worker, lease.epoch);
      expect(await beat(scene, lease)).toMatchObject(ALIVE);
      expect(await scene.claimedKeys(lease)).toEqual([`${RUN}/${ROOT_FIBER}`]);
    });

    it("makes the fiber due at once and the worker's next transition lost", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.store.release(held.lease.worker, held.lease.epoch);
      expect(await scene.fiber()).toMatchObject({ position: "ready", seq: 0 });
      expect(await scene.commit(transition(held))).toEqual({ status: "lost" });
    });

    it("frees nothing of another worker, even when it is named", async (scene) => {
      const { lease } = await scene.hold(await scene.worker());
      const other = await scene.worker(OTHER_WORKER);
      expect(await scene.store.release(other.worker, other.epoch, { only: [{ run: RUN, fiber: ROOT_FIBER }] })).toBe(0);
      expect((await scene.fiber())?.owner).toEqual(lease);
    });

    it("frees nothing for an epoch that owns nothing", async (scene) => {
      const old = await scene.worker();
      const { lease } = await scene.hold(await scene.worker());
      expect(await scene.store.release(old.worker, old.epoch)).toBe(0);
      expect((await scene.fiber())?.owner).toEqual(lease);
    });

    it("gives the next owner the same wait and the same messages", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(park(held));
      await scene.deliver("paid");
      const before = (await scene.claimOne(held.lease)).fiber;
      await scene.store.release(held.lease.worker, held.lease.epoch);
      const after = (await scene.claimOne(held.lease)).fiber;
      expect([after.wait, after.messages]).toEqual([before.wait, before.messages]);
    });

    it("ignores fibers that were handed back or never existed", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(handBack(held, START_MS + 900));
      const { worker, epoch } = next(held).lease;
      const named = [
        { run: RUN, fiber: ROOT_FIBER },
        { run: OTHER_RUN, fiber: child(1) },
      ];
      expect(await scene.store.release(worker, epoch, { only: named })).toBe(0);
      expect((await scene.fiber())?.readyAt).toBe(START_MS + 900);
    });

    it("frees many fibers at once", async (scene) => {
      const lease = await scene.worker();
      const ids = Array.from({ length: 250 }, (_, i) => runId(`run-${i}`));
      await scene.store.createRuns(ids.map((id) => newRun({ id, lease, root: { leased: true } })));
      const named = ids.map((run) => ({ run, fiber: ROOT_FIBER }));
      expect(await scene.store.release(lease.worker, lease.epoch, { only: named })).toBe(250);
    });
  },
};
