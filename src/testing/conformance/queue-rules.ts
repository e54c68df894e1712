import { fingerprintOf, ROOT_FIBER, workerId } from "../../domain/ids.ts";
import { sha256 } from "../../domain/sha256.ts";
import type { QueueRules } from "../../ports/queue-rules.ts";
import { claimedCount, claimedLanes, claimHeld, fill, govern, tally } from "./governing.ts";
import { LEASE_MS, newChild, OTHER_RUN, OTHER_WORKER, QUEUE, RUN, START_MS } from "./records.ts";
import { rejection, type Scene } from "./scene.ts";
import type { AspectSuite, Suite } from "./suite.ts";
import { endChild, endRun, handBack, type Held, park, transition } from "./transitions.ts";

const INVALID: readonly (readonly [string, unknown])[] = [
  ["a concurrency of nothing", { queue: "mail", concurrency: 0 }],
  ["a negative concurrency", { queue: "mail", concurrency: -1 }],
  ["half a place", { queue: "mail", concurrency: 1.5 }],
  ["a concurrency that is no number", { queue: "mail", concurrency: Number.NaN }],
  ["a rate of nothing", { queue: "mail", rate: { count: 0, perMs: 1_000 } }],
  ["a rate without a period", { queue: "mail", rate: { count: 1, perMs: 0 } }],
  ["a lane's rate without a count", { queue: "mail", lane: { rate: { perMs: 1_000 } } }],
  ["a lane's concurrency of nothing", { queue: "mail", lane: { concurrency: 0 } }],
  ["a queue without a name", { queue: "", concurrency: 1 }],
  ["a queue whose name is no id", { queue: "a b", concurrency: 1 }],
  ["an unknown rule", { queue: "mail", concurency: 1 }],
];

/** How a fiber leaves the place it holds. */
const LEAVING: readonly (readonly [string, (scene: Scene, held: Held) => Promise<unknown>])[] = [
  ["parks", async (scene, held) => scene.pass(park(held))],
  ["is handed back", async (scene, held) => scene.pass(handBack(held, START_MS + 60_000))],
  ["ends its run", async (scene, held) => scene.pass(endRun(held))],
  [
    "moves to a free queue and stays held",
    async (scene, held) => scene.pass(transition(held, { scheduling: { queue: "mail", priority: 0 } })),
  ],
  [
    "moves to another governed queue",
    async (scene, held) => {
      await scene.store.putQueueRules([{ queue: "mail", concurrency: 1 }]);
      await scene.pass(transition(held, { scheduling: { queue: "mail", priority: 0 } }));
    },
  ],
  ["is released", async (scene, { lease }) => scene.store.release(lease.worker, lease.epoch)],
  [
    "is swept after its worker fell silent",
    async (scene) => {
      scene.clock.advance(LEASE_MS + 1);
      expectSwept(await scene.store.sweep());
    },
  ],
  ["loses its worker to a new one of that name", async (scene, { lease }) => scene.worker(lease.worker)],
];

function expectSwept({ fibers }: { readonly fibers: number }): void {
  if (fibers !== 1) throw new Error(`expected to sweep one fiber but swept ${fibers}`);
}

export const keptRules: AspectSuite = {
  aspect: "queue-rules",
  title: "keeps rules of queues",
  define({ it, expect }) {
    it("has none at first", async ({ store }) => {
      expect(await store.queueRules()).toEqual([]);
    });

    it("shows all rules by the name of their queue", async ({ store }) => {
      const mail: QueueRules = { queue: "mail", rate: { count: 5, perMs: 60_000 }, lane: { concurrency: 2 } };
      const files: QueueRules = { queue: "files", concurrency: 3, lane: { rate: { count: 1, perMs: 1 } } };
      await store.putQueueRules([mail]);
      await store.putQueueRules([files]);
      expect(await store.queueRules()).toEqual([files, mail]);
    });

    it("replaces the rules of a queue whole, and those of no other", async ({ store }) => {
      await store.putQueueRules([
        { queue: "mail", concurrency: 2, rate: { count: 5, perMs: 1_000 } },
        { queue: "files", concurrency: 3 },
      ]);
      await store.putQueueRules([{ queue: "mail", lane: { concurrency: 1 } }]);
      expect(await store.queueRules()).toEqual([
        { queue: "files", concurrency: 3 },
        { queue: "mail", lane: { concurrency: 1 } },
      ]);
    });

    it("forgets a queue that is put without any rule, known or not", async ({ store }) => {
      await store.putQueueRules([{ queue: "mail", concurrency: 2 }]);
      await store.putQueueRules([{ queue: "mail" }, { queue: "files" }]);
      expect(await store.queueRules()).toEqual([]);
    });

    it("keeps lanes that only take turns", async ({ store }) => {
      await store.putQueueRules([{ queue: "mail", lane: {} }]);
      expect(await store.queueRules()).toEqual([{ queue: "mail", lane: {} }]);
    });

    for (const [what, rules] of INVALID) {
      it(`refuses ${what}, and all that came with it`, async ({ store }) => {
        const put = store.putQueueRules([{ queue: "good", concurrency: 1 }, rules as QueueRules]);
        expect((await rejection(put)).code).toBe("OPTION_INVALID");
        expect(await store.queueRules()).toEqual([]);
      });
    }
  },
  otherwise({ it, expect }) {
    it("says that it keeps no rules, and refuses them", async ({ store }) => {
      expect(store.capabilities.queueRules).toBe(false);
      const put = store.putQueueRules([{ queue: "mail", concurrency: 1 }]);
      expect((await rejection(put)).code).toBe("QUEUE_RULES_UNSUPPORTED");
    });
  },
};

export const governedPlaces: AspectSuite = {
  aspect: "queue-rules",
  title: "leases no more of a governed queue than its rules admit",
  define(suite) {
    defineLimits(suite);
    for (const [what, leave] of LEAVING) definePlaceFreedBy(suite, what, leave);
    defineChanges(suite);
  },
};

function defineLimits({ it, expect }: Suite): void {
  it("hands out no more than the concurrency to one worker", async (scene) => {
    await govern(scene, { concurrency: 2 });
    await fill(scene, "", 5);
    const lease = await scene.worker();
    expect(await claimedCount(scene, lease)).toBe(2);
    expect(await claimedCount(scene, lease)).toBe(0);
  });

  it("counts the places of all workers together", async (scene) => {
    await govern(scene, { concurrency: 5 });
    await fill(scene, "", 20);
    const counts: number[] = [];
    for (const id of ["a", "b", "c", "d"]) {
      counts.push(await claimedCount(scene, await scene.worker(workerId(id)), { limit: 2 }));
    }
    expect(counts).toEqual([2, 2, 1, 0]);
  });

  it("stays within the concurrency when workers claim at the same time", async (scene) => {
    await govern(scene, { concurrency: 7 });
    await fill(scene, "", 40);
    const [first, second] = [await scene.worker(), await scene.worker(OTHER_WORKER)];
    const asked = Array.from({ length: 10 }, async (_, i) => scene.claim(i % 2 === 0 ? first : second, { limit: 3 }));
    const claimed = (await Promise.all(asked)).flat().map(({ run }) => run);
    expect(claimed.length).toBe(7);
    expect(new Set(claimed).size).toBe(7);
  });

  it("lets a free queue alone", async (scene) => {
    await govern(scene, { concurrency: 1 });
    await fill(scene, "", 4, { queue: "mail" });
    expect(await claimedCount(scene, await scene.worker(), { queues: ["mail"] })).toBe(4);
  });

  it("serves a free and a governed queue in one claim, neither more than its share", async (scene) => {
    await govern(scene, { concurrency: 3 });
    await fill(scene, "", 10, { readyAt: START_MS - 1 });
    await fill(scene, "", 10, { queue: "mail" });
    const claimed = await scene.claim(await scene.worker(), { queues: [QUEUE, "mail"], limit: 8 });
    expect(tally(claimed.map(({ queue }) => queue))).toEqual({ [QUEUE]: 3, mail: 5 });
  });

  it("takes the more urgent row of a free and a governed queue", async (scene) => {
    await govern(scene, { concurrency: 5 });
    await fill(scene, "", 1, { priority: 3 });
    await fill(scene, "", 1, { priority: 4, queue: "mail" });
    await fill(scene, "", 1, { priority: 2, queue: "mail" });
    const lease = await scene.worker();
    const order: number[] = [];
    for (let i = 0; i < 3; i++) {
      order.push(...(await scene.claim(lease, { queues: [QUEUE, "mail"], limit: 1 })).map(({ priority }) => priority));
    }
    expect(order).toEqual([4, 3, 2]);
  });

  it("keeps the order of priority, then due time", async (scene) => {
    await govern(scene, { concurrency: 9 });
    await fill(scene, "", 1, { priority: 0, readyAt: START_MS - 1 });
    await fill(scene, "", 1, { priority: 5 });
    await fill(scene, "", 1, { priority: 0, readyAt: START_MS - 2 });
    const claimed = await scene.claim(await scene.worker());
    expect(claimed.map(({ run }) => run)).toEqual(["none-2", "none-3", "none-1"]);
  });

  it("spends no place on definitions that the worker does not know", async (scene) => {
    await govern(scene, { concurrency: 1 });
    await scene.start({ id: OTHER_RUN, fingerprint: fingerprintOf(sha256("other")), root: { priority: 9 } });
    await scene.start();
    expect(await scene.claimedKeys(await scene.worker())).toEqual([`${RUN}/${ROOT_FIBER}`]);
  });

  it("keeps the place of a fiber that is held from step to step", async (scene) => {
    await govern(scene, { concurrency: 1 });
    await fill(scene, "", 2);
    const [held] = await claimHeld(scene, await scene.worker());
    if (held === undefined) throw new Error("expected one fiber");
    await scene.pass(transition(held));
    expect(await claimedCount(scene, held.lease)).toBe(0);
  });

  it("makes a parked fiber that becomes due wait for a place", async (scene) => {
    const held = await scene.hold(await scene.worker());
    await scene.pass(park(held, { until: START_MS + 10 }));
    await govern(scene, { concurrency: 1 });
    await fill(scene, "", 1, { priority: 1 });
    const [first] = await claimHeld(scene, held.lease);
    scene.clock.advance(10);
    expect(await claimedCount(scene, held.lease)).toBe(0);
    if (first !== undefined) await scene.pass(endRun(first));
    expect(await scene.claimedKeys(held.lease)).toEqual([`${RUN}/${ROOT_FIBER}`]);
  });

  it("makes a fiber that a message wakes wait for a place", async (scene) => {
    await govern(scene, { concurrency: 1 });
    await scene.start();
    const { held } = await scene.claimOne(await scene.worker());
    await scene.pass(park(held));
    await fill(scene, "", 1);
    expect(await claimedCount(scene, held.lease)).toBe(1);
    await scene.deliver("paid");
    expect(await claimedCount(scene, held.lease)).toBe(0);
  });

  it("makes a retry wait for a place", async (scene) => {
    await govern(scene, { concurrency: 1 });
    await scene.start();
    const { held } = await scene.claimOne(await scene.worker());
    await scene.pass(handBack(held, START_MS + 500));
    await fill(scene, "", 1);
    expect(await claimedCount(scene, held.lease)).toBe(1);
    scene.clock.advance(500);
    expect(await claimedCount(scene, held.lease)).toBe(0);
  });
}

function definePlaceFreedBy(
  { it, expect }: Suite,
  what: string,
  leave: (scene: Scene, held: Held) => Promise<unknown>,
): void {
  it(`frees the place of a fiber that ${what}`, async (scene) => {
    await govern(scene, { concurrency: 1, lane: { concurrency: 1 } });
    await scene.start({ root: { priority: 5 } });
    const { held } = await scene.claimOne(await scene.worker());
    await fill(scene, "", 1, { priority: 9 });
    const other = await scene.worker(OTHER_WORKER);
    expect(await claimedCount(scene, other)).toBe(0);
    await leave(scene, held);
    const again = await scene.worker(OTHER_WORKER);
    expect((await scene.claim(again)).map(({ run }) => run)).toEqual(["none-2"]);
    expect(await claimedCount(scene, again)).toBe(0);
  });
}

function defineChanges({ it, expect }: Suite): void {
  it("frees the place of a child that ends", async (scene) => {
    const held = await scene.hold(await scene.worker());
    await govern(scene, { concurrency: 1 });
    await scene.pass(park(held, { names: ["join"], spawn: [newChild(1), newChild(2)] }));
    const [first] = await claimHeld(scene, held.lease);
    if (first === undefined) throw new Error("expected one child");
    await scene.pass(endChild(first));
    expect(await claimedCount(scene, held.lease)).toBe(1);
  });

  it("counts what was leased before there were rules", async (scene) => {
    const lease = await scene.worker();
    await scene.hold(lease, { id: OTHER_RUN });
    await fill(scene, "", 5);
    await govern(scene, { concurrency: 3 });
    expect(await claimedCount(scene, lease)).toBe(2);
    expect(await claimedCount(scene, lease)).toBe(0);
  });

  it("sees what waited before there were rules", async (scene) => {
    const lease = await scene.worker();
    const parked = await scene.hold(lease);
    await scene.pass(park(parked, { scheduling: { queue: QUEUE, priority: 0, lane: "red" } }));
    await fill(scene, "red", 2);
    await fill(scene, "blue", 2);
    await govern(scene, { lane: { concurrency: 1 } });
    await scene.deliver("paid");
    expect((await claimedLanes(scene, lease)).toSorted()).toEqual(["blue", "red"]);
  });

  it("takes nothing away when the concurrency shrinks, and admits nothing until it fits", async (scene) => {
    await govern(scene, { concurrency: 3 });
    await fill(scene, "", 6);
    const held = await claimHeld(scene, await scene.worker());
    await govern(scene, { concurrency: 2 });
    const left: number[] = [];
    for (const one of held) {
      await scene.pass(endRun(one));
      left.push(await claimedCount(scene, one.lease));
    }
    expect([held.length, left]).toEqual([3, [0, 1, 1]]);
  });

  it("admits more at once when the concurrency grows", async (scene) => {
    await govern(scene, { concurrency: 1 });
    await fill(scene, "", 6);
    const lease = await scene.worker();
    await claimedCount(scene, lease);
    await govern(scene, { concurrency: 4 });
    expect(await claimedCount(scene, lease)).toBe(3);
  });

  it("lets everything flow once the rules are gone", async (scene) => {
    await govern(scene, { concurrency: 1, lane: { concurrency: 1 } });
    await fill(scene, "red", 3);
    await fill(scene, "", 3, { priority: 1 });
    const lease = await scene.worker();
    const [held] = await claimHeld(scene, lease);
    await scene.store.putQueueRules([{ queue: QUEUE }]);
    expect(await claimedCount(scene, lease)).toBe(5);
    if (held !== undefined) await scene.pass(handBack(held, START_MS));
    expect(await claimedCount(scene, lease)).toBe(1);
  });

  it("counts anew when rules come back", async (scene) => {
    await govern(scene, { concurrency: 1 });
    await fill(scene, "", 6);
    const lease = await scene.worker();
    await claimedCount(scene, lease);
    await scene.store.putQueueRules([{ queue: QUEUE }]);
    await claimedCount(scene, lease, { limit: 2 });
    await govern(scene, { concurrency: 4 });
    expect(await claimedCount(scene, lease)).toBe(1);
  });
}
