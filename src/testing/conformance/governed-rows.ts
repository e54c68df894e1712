import { fingerprintOf, ROOT_FIBER, runId } from "../../domain/ids.ts";
import { sha256 } from "../../domain/sha256.ts";
import type { WakeHint } from "../../ports/store.ts";
import { claimedCount, claimHeld, fill, govern } from "./governing.ts";
import { child, newChild, newRun, OTHER_RUN, OTHER_WORKER, QUEUE, RUN, START_MS } from "./records.ts";
import type { AspectSuite } from "./suite.ts";
import { endRun, handBack, next, park, transition } from "./transitions.ts";

export const governedBirth: AspectSuite = {
  aspect: "queue-rules",
  title: "leases nothing into a governed queue but by a claim",
  define({ it, expect }) {
    it("stores a run that should be born leased as ready, and due now", async (scene) => {
      await govern(scene, { concurrency: 5 });
      const lease = await scene.worker();
      scene.clock.advance(5);
      const run = newRun({ lease, root: { leased: true } });
      expect(await scene.store.createRuns([run])).toEqual([{ status: "created", leased: false }]);
      expect(await scene.fiber()).toMatchObject({ position: "ready", readyAt: START_MS + 5, deliveries: 0 });
      expect(await scene.status()).toBe("pending");
      expect((await scene.claimOne(lease)).fiber).toMatchObject({ run: RUN, seq: 0, deliveries: 1 });
    });

    it("queues children that should be born leased, and says which", async (scene) => {
      await govern(scene, { concurrency: 1 });
      const held = await scene.hold(await scene.worker(), { root: { queue: "free" } });
      const spawn = [
        newChild(1, { leased: true }),
        newChild(2, { leased: true, queue: "free" }),
        newChild(3),
        newChild(4, { leased: true }),
      ];
      const outcome = await scene.commit(transition(held, { spawn }));
      expect(outcome).toEqual({ status: "committed", woken: false, queued: [child(1), child(4)] });
      expect((await scene.fiber(RUN, child(2)))?.position).toBe("leased");
      expect(await scene.fiber(RUN, child(1))).toMatchObject({ position: "ready", readyAt: START_MS });
      expect(await claimedCount(scene, held.lease)).toBe(1);
    });

    it("says nothing of a child that exists", async (scene) => {
      await govern(scene, { concurrency: 1 });
      const held = await scene.hold(await scene.worker(), { root: { queue: "free" } });
      await scene.pass(transition(held, { spawn: [newChild(1, { leased: true })] }));
      const again = await scene.commit(transition(next(held), { spawn: [newChild(1, { leased: true })] }));
      expect(again).toEqual({ status: "committed", woken: false });
    });

    it("starts child runs as ready", async (scene) => {
      await govern(scene, { concurrency: 1 });
      const held = await scene.hold(await scene.worker(), { root: { queue: "free" } });
      const run = newRun({ id: OTHER_RUN, lease: held.lease, root: { leased: true } });
      await scene.pass(transition(held, { startRuns: [run] }));
      expect((await scene.fiber(OTHER_RUN))?.position).toBe("ready");
    });

    for (const [what, rules] of [
      ["another queue that is governed", "mail"],
      ["its own queue anew", QUEUE],
    ] as const) {
      it(`queues a held fiber that is to enter ${what}`, async (scene) => {
        await scene.store.putQueueRules([{ queue: rules, concurrency: 1 }]);
        await scene.start();
        const { held } = await scene.claimOne(await scene.worker());
        scene.clock.advance(7);
        const scheduling = { queue: rules, priority: 2, lane: "red" };
        const outcome = await scene.commit(transition(held, { scheduling }));
        expect(outcome).toEqual({ status: "committed", woken: false, queued: [ROOT_FIBER] });
        const queued = { ...scheduling, position: "ready", seq: 1, deliveries: 0, readyAt: START_MS + 7 };
        expect(await scene.fiber()).toMatchObject(queued);
        expect(await scene.commit(transition(next(held)))).toEqual({ status: "lost" });
        const [claimed] = await claimHeld(scene, held.lease, { queues: [rules] });
        expect(claimed).toMatchObject({ run: RUN, seq: 1 });
      });
    }

    it("tells a fiber that is queued of a request to stop it", async (scene) => {
      await govern(scene, { concurrency: 1 });
      const held = await scene.hold(await scene.worker(), { root: { queue: "free" } });
      await scene.store.cancel(RUN, "why");
      const outcome = await scene.commit(transition(held, { scheduling: { queue: QUEUE, priority: 0 } }));
      expect(outcome).toEqual({ status: "committed", woken: false, cancel: "why", queued: [ROOT_FIBER] });
    });

    it("shows the lane of a fiber, governed or not", async (scene) => {
      await scene.start({ root: { lane: "red" } });
      expect((await scene.fiber())?.lane).toBe("red");
      const { fiber, held } = await scene.claimOne(await scene.worker());
      expect(fiber.lane).toBe("red");
      await scene.pass(handBack(held, START_MS, { scheduling: { queue: QUEUE, priority: 0 } }));
      expect((await scene.fiber())?.lane).toBe(undefined);
    });
  },
};

export const governedStops: AspectSuite = {
  aspect: "queue-rules",
  title: "lets a governed fiber stop without a place",
  define({ it, expect }) {
    const FULL = { concurrency: 1, rate: { count: 1, perMs: 1_000 }, lane: { concurrency: 1 } };

    it("hands out a waiting fiber that shall stop although the queue is full", async (scene) => {
      await govern(scene, FULL);
      await fill(scene, "", 3);
      const [held] = await claimHeld(scene, await scene.worker());
      await scene.store.cancel(runId("none-3"), "why");
      const lease = await scene.worker(OTHER_WORKER);
      const claimed = await scene.claim(lease);
      expect(claimed).toMatchObject([{ run: "none-3", cancel: "why", deliveries: 1 }]);
      expect([held?.run, await claimedCount(scene, lease)]).toEqual(["none-1", 0]);
    });

    it("hands out a parked fiber that shall stop although the queue is full", async (scene) => {
      await govern(scene, FULL);
      await scene.start();
      const { held } = await scene.claimOne(await scene.worker());
      await scene.pass(park(held));
      scene.clock.advance(5_000);
      await fill(scene, "", 2);
      await claimHeld(scene, held.lease);
      await scene.store.cancel(RUN, "why");
      expect(await scene.store.nextDue({ queues: [QUEUE], fingerprints: [newRun().fingerprint] })).toBe(
        scene.clock.now(),
      );
      expect(await scene.claim(held.lease)).toMatchObject([{ run: RUN, cancel: "why" }]);
    });

    it("hands out children that shall stop although the queue is full", async (scene) => {
      await govern(scene, { concurrency: 1 });
      const held = await scene.hold(await scene.worker(), { root: { queue: "free" } });
      await scene.pass(transition(held, { spawn: [newChild(1), newChild(2), newChild(3)] }));
      await claimHeld(scene, held.lease);
      await scene.pass(transition(next(held), { cancelFork: { fork: 1, reason: "why" } }));
      expect(await claimedCount(scene, held.lease)).toBe(2);
    });

    it("counts a fiber that stops among the leased ones", async (scene) => {
      await govern(scene, { concurrency: 2 });
      await fill(scene, "", 4);
      const lease = await scene.worker();
      const [first, second] = await claimHeld(scene, lease);
      await scene.store.cancel(runId("none-3"), "why");
      expect(await claimedCount(scene, lease)).toBe(1);
      if (first !== undefined) await scene.pass(endRun(first));
      expect(await claimedCount(scene, lease)).toBe(0);
      if (second !== undefined) await scene.pass(endRun(second));
      expect(await claimedCount(scene, lease)).toBe(1);
    });

    it("lets a fiber that took note of the request wait like all others", async (scene) => {
      await govern(scene, { concurrency: 1 });
      await fill(scene, "", 1, { priority: 1 });
      const [held] = await claimHeld(scene, await scene.worker());
      await scene.start();
      await scene.store.cancel(RUN, "why");
      const { held: stopping } = await scene.claimOne(await scene.worker(OTHER_WORKER));
      await scene.pass(handBack(stopping, START_MS, { acknowledgeCancel: true }));
      expect(await claimedCount(scene, stopping.lease)).toBe(0);
      if (held !== undefined) await scene.pass(endRun(held));
      expect(await scene.claimedKeys(stopping.lease)).toEqual([`${RUN}/${ROOT_FIBER}`]);
    });

    it("counts its claim in no rate", async (scene) => {
      await govern(scene, { rate: { count: 2, perMs: 1_000 } });
      await fill(scene, "", 5);
      await scene.store.cancel(runId("none-5"), "why");
      const claimed = await scene.claim(await scene.worker());
      expect(claimed.map(({ run }) => run)).toEqual(["none-5", "none-1", "none-2"]);
    });
  },
};

export const governedDue: AspectSuite = {
  aspect: "queue-rules",
  title: "says when a governed fiber can be claimed",
  define({ it, expect }) {
    const request = { queues: [QUEUE], fingerprints: [newRun().fingerprint] };

    it("names now while the rules admit what is due", async (scene) => {
      await govern(scene, { concurrency: 2, lane: { concurrency: 1 } });
      await fill(scene, "", 1);
      expect(await scene.store.nextDue(request)).toBe(START_MS);
    });

    for (const [what, rules] of [
      ["queue", { concurrency: 1 }],
      ["lane", { lane: { concurrency: 1 } }],
    ] as const) {
      it(`does not count what waits for a place in its ${what}`, async (scene) => {
        await govern(scene, rules);
        await fill(scene, "red", 2);
        const lease = await scene.worker();
        const [held] = await claimHeld(scene, lease);
        expect(await scene.store.nextDue(request)).toBe(undefined);
        await fill(scene, "red", 1);
        expect(await scene.store.nextDue(request)).toBe(undefined);
        if (held !== undefined) await scene.pass(endRun(held));
        expect(await scene.store.nextDue(request)).toBe(START_MS);
      });
    }

    it("counts a future fiber from its time", async (scene) => {
      await govern(scene, { concurrency: 1 });
      await fill(scene, "red", 1, { readyAt: START_MS + 300, priority: 9 });
      await fill(scene, "blue", 1, { readyAt: START_MS + 200 });
      expect(await scene.store.nextDue(request)).toBe(START_MS + 200);
    });

    it("ignores other definitions and queues", async (scene) => {
      await govern(scene, { concurrency: 1 });
      await fill(scene, "red", 1);
      expect(await scene.store.nextDue({ ...request, queues: ["mail"] })).toBe(undefined);
      const strange = { ...request, fingerprints: [fingerprintOf(sha256("other"))] };
      expect(await scene.store.nextDue(strange)).toBe(undefined);
    });

    it("hints when a place is freed that somebody waits for", async (scene) => {
      await govern(scene, { concurrency: 1 });
      await fill(scene, "", 2);
      const [held] = await claimHeld(scene, await scene.worker());
      if (held === undefined) throw new Error("expected one fiber");
      let stop = (): void => {};
      const heard = new Promise<void>((resolve) => {
        stop = scene.store.subscribe(({ ready }: WakeHint) => {
          if (ready) resolve();
        });
      });
      try {
        await scene.pass(endRun(held));
        await heard;
      } finally {
        stop();
      }
      expect(await claimedCount(scene, held.lease)).toBe(1);
    });
  },
};
