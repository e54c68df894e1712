import { ROOT_FIBER, runId } from "../../domain/ids.ts";
import { child, newChild, OTHER_RUN, RUN, START_MS } from "./records.ts";
import type { AspectSuite } from "./suite.ts";
import { endChild, endRun, handBack, next, park, sibling, transition } from "./transitions.ts";

export const cancel: AspectSuite = {
  aspect: "cancel",
  title: "passes on requests to stop",
  define({ it, expect }) {
    it("answers unknown for a run that never was", async ({ store }) => {
      expect(await store.cancel(RUN, "why")).toBe("unknown");
    });

    for (const status of ["completed", "failed", "cancelled"] as const) {
      it(`answers ended for a run that is ${status}, and changes nothing`, async (scene) => {
        await scene.pass(endRun(await scene.hold(await scene.worker()), { status }));
        const before = await scene.picture(RUN);
        expect(await scene.store.cancel(RUN, "why")).toBe("ended");
        expect(await scene.picture(RUN)).toEqual(before);
      });
    }

    it("does not end the run by itself", async (scene) => {
      await scene.start();
      expect(await scene.store.cancel(RUN, "why")).toBe("requested");
      expect(await scene.status()).toBe("pending");
      expect(await scene.store.load(RUN)).toMatchObject({ cancelReason: "why" });
    });

    it("wakes a root that waits for a message", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(park(held));
      scene.clock.advance(30);
      expect(await scene.store.cancel(RUN, "too late")).toBe("requested");
      expect(await scene.fiber()).toMatchObject({ readyAt: START_MS + 30, cancel: "too late" });
      expect((await scene.claimOne(held.lease)).fiber).toMatchObject({ cancel: "too late", wait: { names: ["paid"] } });
    });

    it("makes a root due that is ready later", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(handBack(held, START_MS + 60_000));
      await scene.store.cancel(RUN, "why");
      expect((await scene.claimOne(held.lease)).fiber.cancel).toBe("why");
    });

    it("does not put off a root that was due before", async (scene) => {
      await scene.start({ root: { readyAt: START_MS - 500 } });
      await scene.store.cancel(RUN, "why");
      expect((await scene.fiber())?.readyAt).toBe(START_MS - 500);
    });

    it("tells the owner with its next commit, until it acknowledges", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.store.cancel(RUN, "why");
      const told = { status: "committed", woken: false, cancel: "why" };
      expect(await scene.commit(transition(held))).toEqual(told);
      expect(await scene.commit(transition(next(held)))).toEqual(told);
      const third = next(next(held));
      expect(await scene.commit(transition(third, { acknowledgeCancel: true }))).toEqual({
        status: "committed",
        woken: false,
      });
      expect((await scene.fiber())?.cancel).toBe(undefined);
      expect(await scene.commit(transition(next(third)))).toEqual({ status: "committed", woken: false });
    });

    it("tells the owner with its next heartbeat, until it acknowledges", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const { worker, epoch } = held.lease;
      await scene.store.cancel(RUN, "why");
      const cancelled = [{ run: RUN, fiber: ROOT_FIBER, reason: "why" }];
      expect(await scene.store.heartbeat(worker, epoch, 3_000)).toMatchObject({ status: "alive", cancelled });
      await scene.pass(transition(held, { acknowledgeCancel: true }));
      expect(await scene.store.heartbeat(worker, epoch, 3_000)).toMatchObject({ status: "alive", cancelled: [] });
    });

    it("tells a worker only of the fibers that it holds", async (scene) => {
      const lease = await scene.worker();
      await scene.hold(lease);
      await scene.pass(park(await scene.hold(lease, { id: OTHER_RUN })));
      await scene.store.cancel(OTHER_RUN, "why");
      expect(await scene.store.heartbeat(lease.worker, lease.epoch, 3_000)).toMatchObject({
        status: "alive",
        cancelled: [],
      });
    });

    it("keeps the request for the next owner when the first one dies", async (scene) => {
      await scene.hold(await scene.worker());
      await scene.store.cancel(RUN, "why");
      scene.clock.advance(3_001);
      await scene.store.sweep();
      expect((await scene.claimOne(await scene.worker())).fiber.cancel).toBe("why");
    });

    it("wakes a fiber at once that parks while a request stands", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.store.cancel(RUN, "why");
      expect(await scene.commit(park(held))).toEqual({ status: "committed", woken: true, cancel: "why" });
      expect((await scene.claimOne(held.lease)).fiber.cancel).toBe("why");
    });

    it("makes a fiber due at once that is handed back for later while a request stands", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.store.cancel(RUN, "why");
      expect(await scene.commit(handBack(held, START_MS + 60_000))).toMatchObject({
        status: "committed",
        cancel: "why",
      });
      expect((await scene.claimOne(held.lease)).fiber.cancel).toBe("why");
    });

    it("lets a fiber park again once it has acknowledged the request", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.store.cancel(RUN, "why");
      const outcome = await scene.commit(park(held, { acknowledgeCancel: true, names: ["compensated"] }));
      expect(outcome).toEqual({ status: "committed", woken: false });
      expect(await scene.claim(held.lease)).toEqual([]);
    });

    it("wakes the fiber in whatever order parking and cancelling arrive (I5)", async (scene) => {
      const lease = await scene.worker();
      for (let round = 0; round < 25; round++) {
        const id = runId(`run-${round + 10}`);
        const held = await scene.hold(lease, { id });
        const stop = async (): Promise<unknown> => scene.store.cancel(id, "why");
        const sleep = async (): Promise<unknown> => scene.commit(park(held));
        await Promise.all(round % 2 === 0 ? [stop(), sleep()] : [sleep(), stop()]);
        expect((await scene.claimOne(lease)).fiber).toMatchObject({ run: id, cancel: "why" });
      }
    });

    it("may be asked twice", async (scene) => {
      const held = await scene.hold(await scene.worker());
      expect(await scene.store.cancel(RUN, "why")).toBe("requested");
      const before = await scene.picture(RUN);
      expect(await scene.store.cancel(RUN, "why")).toBe("requested");
      expect(await scene.picture(RUN)).toEqual(before);
      await scene.pass(endRun(held, { status: "cancelled" }));
      expect(await scene.store.load(RUN)).toMatchObject({ status: "cancelled", cancelReason: "why" });
    });

    it("asks the root only, not its children", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(park(held, { names: ["join"], wait: { kind: "join" }, spawn: [newChild(1, { leased: true })] }));
      await scene.pass(park(sibling(held, child(1))));
      await scene.store.cancel(RUN, "why");
      expect(await scene.claimedKeys(held.lease)).toEqual([`${RUN}/${ROOT_FIBER}`]);
      expect((await scene.fiber(RUN, child(1)))?.cancel).toBe(undefined);
    });

    it("reaches the children of one fork through their parent's transition", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const spawn = [1, 2, 3, 4].map((i) => newChild(i, { leased: true, fork: i === 4 ? 2 : 1 }));
      let root = await scene.pass(transition(held, { spawn }));
      await scene.pass(park(sibling(held, child(1))));
      await scene.pass(endChild(sibling(held, child(3)), { state: "done" }));
      root = await scene.pass(transition(root, { cancelFork: { fork: 1, reason: "one failed" } }));
      const cancels = (await scene.store.fibers(RUN)).map(({ key, cancel: reason }) => [key, reason]);
      expect(cancels).toEqual([
        [ROOT_FIBER, undefined],
        [child(1), "one failed"],
        [child(2), "one failed"],
        [child(3), undefined],
        [child(4), undefined],
      ]);
      expect(await scene.claimedKeys(root.lease)).toEqual([`${RUN}/${child(1)}`]);
      expect(await scene.store.heartbeat(root.lease.worker, root.lease.epoch, 3_000)).toMatchObject({
        status: "alive",
        cancelled: [{ reason: "one failed" }, { reason: "one failed" }],
      });
      expect(await scene.commit(transition(sibling(held, child(2))))).toMatchObject({ cancel: "one failed" });
    });

    it("reaches other runs through a transition", async (scene) => {
      const lease = await scene.worker();
      await scene.pass(park(await scene.hold(lease, { id: OTHER_RUN })));
      const held = await scene.hold(lease);
      const cancelRuns = [OTHER_RUN, runId("run-9")].map((run) => ({ run, reason: "parent stopped" }));
      await scene.pass(transition(held, { cancelRuns }));
      expect((await scene.claimOne(lease)).fiber).toMatchObject({ run: OTHER_RUN, cancel: "parent stopped" });
      expect(await scene.store.load(OTHER_RUN)).toMatchObject({ cancelReason: "parent stopped" });
    });

    it("tells a transition that cancels its own run", async (scene) => {
      const held = await scene.hold(await scene.worker());
      const cancelRuns = [{ run: RUN, reason: "myself" }];
      expect(await scene.commit(transition(held, { cancelRuns }))).toMatchObject({
        status: "committed",
        cancel: "myself",
      });
    });
  },
};
