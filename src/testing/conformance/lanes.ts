import { fingerprintOf, ROOT_FIBER, runId } from "../../domain/ids.ts";
import { sha256 } from "../../domain/sha256.ts";
import type { Lease } from "../../ports/store.ts";
import { claimedCount, claimedLanes, claimHeld, fill, govern, tally } from "./governing.ts";
import { FINGERPRINT, LEASE_MS, newRun, OTHER_WORKER, QUEUE, RUN, START_MS } from "./records.ts";
import type { Scene } from "./scene.ts";
import type { AspectSuite, Suite } from "./suite.ts";
import { endRun, handBack, type Held, park, transition } from "./transitions.ts";

/** How a fiber leaves its lane without waiting in it again. */
const LEAVING_LANE: readonly (readonly [string, (scene: Scene, held: Held) => Promise<unknown>])[] = [
  ["has parked", async (scene, held) => scene.pass(park(held))],
  ["was put off", async (scene, held) => scene.pass(handBack(held, START_MS + 60_000))],
  ["has ended", async (scene, held) => scene.pass(endRun(held))],
  [
    "went to another queue",
    async (scene, held) => scene.pass(transition(held, { scheduling: { queue: "mail", priority: 0 } })),
  ],
  ["was released", async (scene, { lease }) => scene.store.release(lease.worker, lease.epoch)],
  [
    "was swept",
    async (scene) => {
      scene.clock.advance(LEASE_MS + 1);
      await scene.store.sweep();
    },
  ],
];

export const lanes: AspectSuite = {
  aspect: "lanes",
  title: "lets the lanes of a governed queue take turns",
  define(suite) {
    defineTurns(suite);
    defineLaneLimits(suite);
    defineManyLanes(suite);
  },
};

/** Lanes of so many claims of one row each, by these workers in turn. */
async function oneByOne(scene: Scene, workers: readonly Lease[], claims: number): Promise<readonly string[]> {
  const order: string[] = [];
  for (let i = 0; i < claims; i++) {
    const lease = workers[i % workers.length];
    if (lease !== undefined) order.push(...(await claimedLanes(scene, lease, { limit: 1 })));
  }
  return order;
}

function defineTurns({ it, expect }: Suite): void {
  it("takes one of each lane in turn within a claim, however long they are", async (scene) => {
    await govern(scene, { lane: {} });
    await fill(scene, "red", 10);
    await fill(scene, "blue", 2);
    await fill(scene, "", 3);
    expect(tally(await claimedLanes(scene, await scene.worker(), { limit: 6 }))).toEqual({ red: 2, blue: 2, "": 2 });
  });

  it("gives to long lanes what short ones leave", async (scene) => {
    await govern(scene, { concurrency: 8 });
    await fill(scene, "red", 10);
    await fill(scene, "blue", 1);
    expect(tally(await claimedLanes(scene, await scene.worker()))).toEqual({ red: 7, blue: 1 });
  });

  it("goes on with the next lane in the next claim", async (scene) => {
    await govern(scene, { lane: {} });
    await fill(scene, "red", 9);
    await fill(scene, "blue", 3);
    await fill(scene, "green", 3);
    const order = await oneByOne(scene, [await scene.worker()], 9);
    for (const start of [0, 3, 6]) expect(new Set(order.slice(start, start + 3)).size).toBe(3);
  });

  it("goes on with the next lane, whichever worker claims", async (scene) => {
    await govern(scene, { lane: {} });
    for (const lane of ["a", "b", "c", "d"]) await fill(scene, lane, 4);
    const order = await oneByOne(scene, [await scene.worker(), await scene.worker(OTHER_WORKER)], 8);
    for (const start of [0, 4]) expect(new Set(order.slice(start, start + 4)).size).toBe(4);
  });

  it("balances claims that do not divide evenly", async (scene) => {
    await govern(scene, { lane: {} });
    for (const lane of ["a", "b", "c"]) await fill(scene, lane, 10);
    const lease = await scene.worker();
    const claimed: string[] = [];
    for (let i = 0; i < 4; i++) claimed.push(...(await claimedLanes(scene, lease, { limit: 4 })));
    const counts = Object.values(tally(claimed));
    expect(Math.max(...counts) - Math.min(...counts)).toBe(1);
  });

  it("serves a lane that comes late to a long queue at once", async (scene) => {
    await govern(scene, { concurrency: 100 });
    await fill(scene, "red", 150);
    const lease = await scene.worker();
    await claimedCount(scene, lease, { limit: 10 });
    await fill(scene, "blue", 1);
    expect(tally(await claimedLanes(scene, lease, { limit: 2 }))).toEqual({ red: 1, blue: 1 });
  });

  it("orders a lane by priority, then due time, and lanes by nothing but their turn", async (scene) => {
    await govern(scene, { lane: {} });
    await fill(scene, "red", 1, { priority: 1 });
    await fill(scene, "red", 1, { priority: 9, readyAt: START_MS });
    await fill(scene, "red", 1, { priority: 9, readyAt: START_MS - 1 });
    await fill(scene, "blue", 1, { priority: 0 });
    const claimed = await scene.claim(await scene.worker());
    expect(claimed.filter(({ lane }) => lane === "red").map(({ run }) => run)).toEqual(["red-3", "red-2", "red-1"]);
    expect(claimed.slice(0, 2).some(({ lane }) => lane === "blue")).toBe(true);
  });

  it("lets lanes alone whose rows the worker does not know", async (scene) => {
    await govern(scene, { lane: {} });
    await scene.start({ id: RUN, fingerprint: fingerprintOf(sha256("other")), root: { lane: "red" } });
    await fill(scene, "blue", 2);
    expect(await claimedLanes(scene, await scene.worker())).toEqual(["blue", "blue"]);
    const strange = { fingerprints: [fingerprintOf(sha256("other")), FINGERPRINT] };
    expect(await scene.claimedKeys(await scene.worker(OTHER_WORKER), strange)).toEqual([`${RUN}/${ROOT_FIBER}`]);
  });

  it("orders a free queue by priority, whatever the lanes", async (scene) => {
    await fill(scene, "red", 2, { priority: 1 });
    await fill(scene, "blue", 2);
    expect(await claimedLanes(scene, await scene.worker())).toEqual(["red", "red", "blue", "blue"]);
  });
}

function defineLaneLimits({ it, expect }: Suite): void {
  it("limits each lane on its own", async (scene) => {
    await govern(scene, { lane: { concurrency: 2 } });
    for (const lane of ["red", "blue", "green"]) await fill(scene, lane, 5);
    const [first, second] = [await scene.worker(), await scene.worker(OTHER_WORKER)];
    const lanesOfAll = [
      ...(await claimedLanes(scene, first, { limit: 4 })),
      ...(await claimedLanes(scene, second)),
      ...(await claimedLanes(scene, first)),
    ];
    expect(tally(lanesOfAll)).toEqual({ red: 2, blue: 2, green: 2 });
  });

  it("puts rows without a lane into one", async (scene) => {
    await govern(scene, { lane: { concurrency: 1 } });
    await fill(scene, "", 3);
    await fill(scene, "red", 3);
    expect((await claimedLanes(scene, await scene.worker())).toSorted()).toEqual(["", "red"]);
  });

  it("keeps both limits when queue and lanes have one", async (scene) => {
    await govern(scene, { concurrency: 5, lane: { concurrency: 2 } });
    for (const lane of ["red", "blue", "green"]) await fill(scene, lane, 5);
    const counts = tally(await claimedLanes(scene, await scene.worker()));
    expect(Object.values(counts).toSorted((a, b) => a - b)).toEqual([1, 2, 2]);
  });

  it("serves the lane in which a place was freed, and no other", async (scene) => {
    await govern(scene, { lane: { concurrency: 1 } });
    await fill(scene, "red", 2);
    await fill(scene, "blue", 2);
    const lease = await scene.worker();
    const held = await claimHeld(scene, lease);
    const red = held.find(({ run }) => run.startsWith("red"));
    if (red === undefined) throw new Error("expected a fiber of the lane red");
    await scene.pass(endRun(red));
    expect(await claimedLanes(scene, lease)).toEqual(["red"]);
    expect(await claimedLanes(scene, lease)).toEqual([]);
  });

  for (const [what, leave] of LEAVING_LANE) {
    it(`serves a lane that was found full, once a fiber of it ${what}`, async (scene) => {
      await govern(scene, { lane: { concurrency: 1 } });
      await fill(scene, "red", 2);
      const [held] = await claimHeld(scene, await scene.worker());
      const other = await scene.worker(OTHER_WORKER);
      for (let i = 0; i < 2; i++) expect(await claimedLanes(scene, other)).toEqual([]);
      if (held !== undefined) await leave(scene, held);
      const again = await scene.worker(OTHER_WORKER);
      expect(await claimedLanes(scene, again)).toEqual(["red"]);
    });
  }

  it("counts a fiber in the lane that it moved to", async (scene) => {
    await govern(scene, { lane: { concurrency: 1 } });
    await fill(scene, "red", 2);
    const lease = await scene.worker();
    const [held] = await claimHeld(scene, lease);
    if (held === undefined) throw new Error("expected one fiber");
    await scene.pass(transition(held, { scheduling: { queue: QUEUE, priority: 0, lane: "blue" } }));
    expect((await claimedLanes(scene, lease)).toSorted()).toEqual(["blue", "red"]);
  });

  for (const [what, lane] of [
    ["letters of all kinds", "Käse/面 'x' \"y\" %_*"],
    ["what SQL and JSON escape", "a\\b\n\t\u0000c"],
    ["many characters", "tenant-".repeat(40)],
  ] as const) {
    it(`knows a lane again whose key has ${what}`, async (scene) => {
      await govern(scene, { lane: { concurrency: 1, rate: { count: 2, perMs: 1_000 } } });
      const ids = ["run-a", "run-b", "run-c"].map((id) => runId(id));
      await scene.store.createRuns(ids.map((id) => newRun({ id, root: { lane } })));
      const lease = await scene.worker();
      for (const expected of [1, 1, 0]) {
        const held = await claimHeld(scene, lease);
        expect(held.length).toBe(expected);
        for (const one of held) await scene.pass(endRun(one));
      }
      expect((await scene.store.fibers(runId("run-c")))[0]?.lane).toBe(lane);
    });
  }
}

function defineManyLanes({ it, expect }: Suite): void {
  /** More lanes than a store need look at in one claim. */
  const MANY = 600;

  async function fillMany(scene: Scene, rows: number): Promise<void> {
    const runs = Array.from({ length: MANY * rows }, (_, i) => {
      const lane = `lane-${i % MANY}`;
      return newRun({ id: runId(`${lane}-${Math.floor(i / MANY)}`), root: { lane } });
    });
    await scene.store.createRuns(runs);
  }

  async function claimAll(scene: Scene, lease: Lease, expected: number): Promise<readonly string[]> {
    const order: string[] = [];
    for (let claims = 0; claims < 20 && order.length < expected; claims++) {
      order.push(...(await claimedLanes(scene, lease, { limit: MANY })));
    }
    return order;
  }

  it(`serves each of ${MANY} lanes once before one is served again`, async (scene) => {
    await govern(scene, { lane: { concurrency: 9 } });
    await fillMany(scene, 2);
    const order: string[] = [];
    const lease = await scene.worker();
    while (order.length < MANY) {
      const claimed = await claimedLanes(scene, lease, { limit: 100 });
      if (claimed.length === 0) break;
      order.push(...claimed);
    }
    expect([order.length, new Set(order).size]).toEqual([MANY, MANY]);
  });

  it("finds a lane behind 1,300 rows of one that is full", async (scene) => {
    await govern(scene, { lane: { concurrency: 1 } });
    const rows = Array.from({ length: 1_300 }, (_, i) => newRun({ id: runId(`red-${i}`), root: { lane: "red" } }));
    await scene.store.createRuns(rows);
    const lease = await scene.worker();
    expect(await claimedLanes(scene, lease)).toEqual(["red"]);
    scene.clock.advance(1);
    await scene.start({ root: { lane: "blue" } });
    expect(await claimedLanes(scene, lease)).toEqual(["blue"]);
  });

  it(`finds a lane with a free place behind ${MANY} that have none`, async (scene) => {
    await govern(scene, { lane: { concurrency: 1 } });
    await fillMany(scene, 2);
    const lease = await scene.worker();
    expect((await claimAll(scene, lease, MANY)).length).toBe(MANY);
    for (const late of ["a-first", "zz-last"]) {
      await fill(scene, late, 1);
      expect(await scene.store.nextDue({ queues: [QUEUE], fingerprints: [FINGERPRINT] })).toBe(START_MS);
      expect(await claimAll(scene, lease, 1)).toEqual([late]);
    }
  });
}
