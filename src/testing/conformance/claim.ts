import { fingerprintOf, ROOT_FIBER, runId } from "../../domain/ids.ts";
import { sha256 } from "../../domain/sha256.ts";
import { FINGERPRINT, LEASE_MS, newRun, OTHER_RUN, OTHER_WORKER, QUEUE, RUN, START_MS, WORKER } from "./records.ts";
import type { AspectSuite } from "./suite.ts";
import { handBack, park, transition } from "./transitions.ts";

const OTHER_FINGERPRINT = fingerprintOf(sha256("other"));

export const claim: AspectSuite = {
  aspect: "claim",
  title: "leases fibers to workers that ask",
  define({ it, expect }) {
    it("hands out everything that is needed to go on", async (scene) => {
      const lease = await scene.worker();
      const run = newRun({ root: { priority: 3, aside: { big: "x" } } });
      await scene.store.createRuns([run]);
      const { leased: _leased, readyAt: _readyAt, ...root } = run.root;
      scene.clock.advance(5);
      const [claimed] = await scene.claim(lease);
      expect(claimed).toMatchObject({
        ...root,
        run: RUN,
        fingerprint: FINGERPRINT,
        position: "leased",
        owner: lease,
        claimedAt: START_MS + 5,
        seq: 0,
        deliveries: 1,
        messages: [],
      });
    });

    it("hands out the metadata of the run and its parent", async (scene) => {
      const parent = { run: OTHER_RUN, fiber: ROOT_FIBER, reply: "reply:1" };
      await scene.start({ metadata: { customer: "c-1", tries: 2 }, parent });
      const { fiber } = await scene.claimOne(await scene.worker());
      expect(fiber).toMatchObject({ metadata: { customer: "c-1", tries: 2 }, parentRun: parent });
    });

    it("leases a fiber to one worker only", async (scene) => {
      const [first, second] = [await scene.worker(), await scene.worker(OTHER_WORKER)];
      await scene.start();
      expect(await scene.claim(first)).toMatchObject([{ run: RUN }]);
      expect(await scene.claim(second)).toEqual([]);
      expect(await scene.claim(first)).toEqual([]);
    });

    it("leases each of many fibers once to workers that ask at the same time", async (scene) => {
      const ids = Array.from({ length: 40 }, (_, i) => runId(`run-${i}`));
      await scene.store.createRuns(ids.map((id) => newRun({ id })));
      const [first, second] = [await scene.worker(), await scene.worker(OTHER_WORKER)];
      const asked = [first, second, first, second, first, second, first, second].map(async (lease) =>
        scene.claim(lease, { limit: 7 }),
      );
      const claimed = (await Promise.all(asked)).flat().map(({ run }) => run);
      expect(claimed.toSorted()).toEqual(ids.toSorted());
    });

    it("hands out no more than the limit", async (scene) => {
      const lease = await scene.worker();
      await scene.store.createRuns(Array.from({ length: 5 }, (_, i) => newRun({ id: runId(`run-${i}`) })));
      expect(await scene.claim(lease, { limit: 2 })).toMatchObject([{}, {}]);
      expect(await scene.claim(lease, { limit: 2 })).toMatchObject([{}, {}]);
      expect(await scene.claim(lease, { limit: 2 })).toMatchObject([{}]);
    });

    it("hands out nothing for a limit of zero", async (scene) => {
      await scene.start();
      expect(await scene.claim(await scene.worker(), { limit: 0 })).toEqual([]);
    });

    it("keeps a fiber back until it is due", async (scene) => {
      const lease = await scene.worker();
      await scene.start({ root: { readyAt: START_MS + 100 } });
      scene.clock.advance(99);
      expect(await scene.claim(lease)).toEqual([]);
      scene.clock.advance(1);
      expect(await scene.claimedKeys(lease)).toEqual([`${RUN}/${ROOT_FIBER}`]);
    });

    it("hands out a parked fiber when its time has come", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(park(held, { names: ["paid"], until: START_MS + 50 }));
      expect(await scene.claim(held.lease)).toEqual([]);
      scene.clock.advance(50);
      const { fiber } = await scene.claimOne(held.lease);
      expect(fiber).toMatchObject({ position: "leased", wait: { names: ["paid"] }, messages: [] });
    });

    it("never hands out a fiber that waits for a message", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(park(held));
      scene.clock.advance(365 * 86_400_000);
      expect(await scene.claim(await scene.worker(OTHER_WORKER))).toEqual([]);
    });

    it("counts a delivery with every claim and forgets them with a commit", async (scene) => {
      await scene.start();
      for (const deliveries of [1, 2, 3]) {
        expect((await scene.claimOne(await scene.worker())).fiber.deliveries).toBe(deliveries);
        scene.clock.advance(LEASE_MS + 1);
        await scene.store.sweep();
      }
      const { held, fiber } = await scene.claimOne(await scene.worker());
      expect(fiber.deliveries).toBe(4);
      await scene.pass(transition(held));
      expect((await scene.fiber())?.deliveries).toBe(0);
    });

    it("hands out nothing to a worker it does not know", async (scene) => {
      await scene.start();
      expect(await scene.claim({ worker: WORKER, epoch: 1 })).toEqual([]);
      expect((await scene.fiber())?.position).toBe("ready");
    });

    it("hands out nothing to an epoch that is no longer current", async (scene) => {
      await scene.start();
      const old = await scene.worker();
      const current = await scene.worker();
      expect(await scene.claim(old)).toEqual([]);
      expect(await scene.claimedKeys(current)).toEqual([`${RUN}/${ROOT_FIBER}`]);
    });
  },
};

export const queues: AspectSuite = {
  aspect: "queues",
  title: "filters the queue",
  define({ it, expect }) {
    it("does not let a fiber that is not due hide one that is", async (scene) => {
      await scene.start({ id: RUN, root: { priority: 9, readyAt: START_MS + 1_000 } });
      await scene.start({ id: OTHER_RUN });
      expect(await scene.claimedKeys(await scene.worker(), { limit: 1 })).toEqual([`${OTHER_RUN}/${ROOT_FIBER}`]);
    });

    const filters = [
      ["the queue it names", { queues: ["mail"] }, ["mail-run"]],
      ["several queues", { queues: ["mail", QUEUE] }, ["default-run", "mail-run"]],
      ["no queue", { queues: [] }, []],
      ["an unknown queue", { queues: ["nowhere"] }, []],
      ["the definition it knows", { fingerprints: [OTHER_FINGERPRINT] }, ["other-run"]],
      ["several definitions", { fingerprints: [OTHER_FINGERPRINT, FINGERPRINT] }, ["default-run", "other-run"]],
      ["no definition", { fingerprints: [] }, []],
      ["a definition in another queue", { fingerprints: [OTHER_FINGERPRINT], queues: ["mail"] }, []],
    ] as const;
    for (const [what, request, expected] of filters) {
      it(`gives a worker that names ${what} only what matches`, async (scene) => {
        await scene.start({ id: runId("default-run") });
        await scene.start({ id: runId("mail-run"), root: { queue: "mail" } });
        await scene.start({ id: runId("other-run"), fingerprint: OTHER_FINGERPRINT });
        const claimed = await scene.claim(await scene.worker(), request);
        expect(claimed.map(({ run }) => run).toSorted()).toEqual([...expected]);
      });
    }

    it("keeps for others what one worker passes over", async (scene) => {
      await scene.start();
      const [stranger, friend] = [await scene.worker(), await scene.worker(OTHER_WORKER)];
      for (const request of [{ fingerprints: [OTHER_FINGERPRINT] }, { queues: ["mail"] }, { limit: 0 }]) {
        expect(await scene.claim(stranger, request)).toEqual([]);
      }
      expect(await scene.claimedKeys(friend)).toEqual([`${RUN}/${ROOT_FIBER}`]);
    });

    it("fills the limit with what matches, however much of the rest lies before it", async (scene) => {
      const ids = Array.from({ length: 30 }, (_, i) => runId(`run-${i}`));
      await scene.store.createRuns(ids.map((id) => newRun({ id, root: { queue: "mail", priority: 5 } })));
      await scene.start({ id: runId("mine") });
      expect(await scene.claimedKeys(await scene.worker(), { limit: 1 })).toEqual([`mine/${ROOT_FIBER}`]);
    });

    it("moves a fiber to another queue and priority with a transition", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(handBack(held, START_MS, { scheduling: { queue: "mail", priority: 8 } }));
      expect(await scene.fiber()).toMatchObject({ queue: "mail", priority: 8 });
      expect(await scene.claim(held.lease)).toEqual([]);
      expect(await scene.claim(held.lease, { queues: ["mail"] })).toMatchObject([
        { run: RUN, queue: "mail", priority: 8 },
      ]);
    });

    it("keeps queue and priority when a transition does not name them", async (scene) => {
      const held = await scene.hold(await scene.worker(), { root: { queue: "mail", priority: 8 } });
      await scene.pass(handBack(held, START_MS));
      expect(await scene.fiber()).toMatchObject({ queue: "mail", priority: 8 });
    });
  },
};

export const order: AspectSuite = {
  aspect: "order",
  title: "orders the queue, over all runs",
  define({ it, expect }) {
    it("hands out larger priorities first, then what was due earlier", async (scene) => {
      const roots = [
        { id: "late", priority: 0, readyAt: START_MS + 30 },
        { id: "urgent-late", priority: 5, readyAt: START_MS + 20 },
        { id: "early", priority: 0, readyAt: START_MS + 10 },
        { id: "urgent-early", priority: 5, readyAt: START_MS + 15 },
        { id: "patient", priority: -1, readyAt: START_MS },
      ];
      await scene.store.createRuns(roots.map(({ id, ...root }) => newRun({ id: runId(id), root })));
      scene.clock.advance(100);
      const lease = await scene.worker();
      const order: string[] = [];
      for (let i = 0; i < 5; i++) order.push(...(await scene.claim(lease, { limit: 1 })).map(({ run }) => run));
      expect(order).toEqual(["urgent-early", "urgent-late", "early", "late", "patient"]);
    });

    it("answers one claim in the same order", async (scene) => {
      const priorities = [1, 3, 2, 5, 4];
      await scene.store.createRuns(
        priorities.map((priority) => newRun({ id: runId(`p${priority}`), root: { priority } })),
      );
      const claimed = await scene.claim(await scene.worker());
      expect(claimed.map(({ run }) => run)).toEqual(["p5", "p4", "p3", "p2", "p1"]);
    });
  },
};

export const due: AspectSuite = {
  aspect: "due",
  title: "says when the next fiber is due",
  define({ it, expect }) {
    const request = { queues: [QUEUE], fingerprints: [FINGERPRINT] };

    it("knows no time when there is nothing to do", async ({ store }) => {
      expect(await store.nextDue(request)).toBe(undefined);
    });

    it("names the earliest time, whatever the priority", async (scene) => {
      await scene.start({ root: { readyAt: START_MS + 500, priority: 9 } });
      await scene.start({ id: OTHER_RUN, root: { readyAt: START_MS + 200 } });
      expect(await scene.store.nextDue(request)).toBe(START_MS + 200);
    });

    it("counts the time of a parked fiber", async (scene) => {
      const held = await scene.hold(await scene.worker());
      await scene.pass(park(held, { names: ["paid"], until: START_MS + 700 }));
      expect(await scene.store.nextDue(request)).toBe(START_MS + 700);
    });

    it("counts neither leased fibers nor those that only a message can wake", async (scene) => {
      const lease = await scene.worker();
      await scene.hold(lease);
      await scene.pass(park(await scene.hold(lease, { id: OTHER_RUN })));
      expect(await scene.store.nextDue(request)).toBe(undefined);
    });

    it("names no later time than now once a message has come", async (scene) => {
      await scene.pass(park(await scene.hold(await scene.worker()), { until: START_MS + 700 }));
      await scene.deliver("paid");
      expect(await scene.store.nextDue(request)).toBe(START_MS);
    });

    for (const [what, other] of [
      ["queues", { ...request, queues: ["mail"] }],
      ["definitions", { ...request, fingerprints: [OTHER_FINGERPRINT] }],
      ["queues when none is named", { ...request, queues: [] }],
    ] as const) {
      it(`ignores other ${what}`, async (scene) => {
        await scene.start({ root: { readyAt: START_MS + 500 } });
        expect(await scene.store.nextDue(other)).toBe(undefined);
      });
    }
  },
};
