import { runId } from "../../domain/ids.ts";
import type { Rate } from "../../ports/queue-rules.ts";
import { seededRandom } from "../random.ts";
import { claimedCount, claimedLanes, claimHeld, fill, govern, tally } from "./governing.ts";
import { FINGERPRINT, OTHER_WORKER, QUEUE, START_MS } from "./records.ts";
import type { AspectSuite, Suite } from "./suite.ts";
import { endRun, handBack } from "./transitions.ts";

/** Sixteen parts of 100 ms. */
const PER_MS = 1_600;
/** A period and a sixteenth: what was claimed before is certainly forgotten. */
const FORGOTTEN_MS = 1_700;
const rate = (count: number, perMs: number = PER_MS): Rate => ({ count, perMs });

export const rates: AspectSuite = {
  aspect: "rates",
  title: "keeps the rates of a governed queue",
  define(suite) {
    defineWindows(suite);
    defineCombined(suite);
    defineRateChanges(suite);
  },
};

function defineWindows({ it, expect }: Suite): void {
  it("hands out no more than the count until the period is over", async (scene) => {
    await govern(scene, { rate: rate(3) });
    await fill(scene, "", 10);
    const [first, second] = [await scene.worker(), await scene.worker(OTHER_WORKER)];
    expect([await claimedCount(scene, first, { limit: 2 }), await claimedCount(scene, second)]).toEqual([2, 1]);
    scene.clock.advance(PER_MS - 1);
    expect(await claimedCount(scene, first)).toBe(0);
  });

  it("hands out the whole count again once a period and a sixteenth are over", async (scene) => {
    await govern(scene, { rate: rate(3) });
    await fill(scene, "", 10);
    const lease = await scene.worker();
    await claimedCount(scene, lease);
    scene.clock.advance(FORGOTTEN_MS);
    expect(await claimedCount(scene, lease)).toBe(3);
  });

  it("gives room back piece by piece", async (scene) => {
    await govern(scene, { rate: rate(4) });
    await fill(scene, "", 20);
    const lease = await scene.worker();
    const counts: number[] = [];
    for (const [waitMs, limit] of [
      [0, 2],
      [800, 9], // the other two
      [799, 9], // both halves are within one period
      [101, 9], // the first half is forgotten
      [799, 9], // the second half not quite
      [1, 9],
    ] as const) {
      scene.clock.advance(waitMs);
      counts.push(await claimedCount(scene, lease, { limit }));
    }
    expect(counts).toEqual([2, 2, 0, 2, 0, 2]);
  });

  it("never allows more than the count in any period, and is never stuck", async (scene) => {
    await govern(scene, { rate: rate(5) });
    await fill(scene, "", 300);
    const random = seededRandom(7);
    const lease = await scene.worker();
    const claims: number[] = [];
    for (let i = 0; i < 80; i++) {
      scene.clock.advance(random.chance(0.1) ? FORGOTTEN_MS : random.int(0, 300));
      const before = claims.filter((at) => at > scene.clock.now() - FORGOTTEN_MS).length;
      const claimed = await claimedCount(scene, lease, { limit: random.int(1, 4) });
      if (before === 0) expect(claimed).toBeGreaterThan(0);
      for (let n = 0; n < claimed; n++) claims.push(scene.clock.now());
    }
    const busiest = Math.max(...claims.map((at) => claims.filter((t) => t >= at && t < at + PER_MS).length));
    expect(busiest).toBe(5);
  });

  it("limits each lane on its own", async (scene) => {
    await govern(scene, { lane: { rate: rate(2) } });
    for (const lane of ["red", "blue", ""]) await fill(scene, lane, 5);
    const lease = await scene.worker();
    expect(tally(await claimedLanes(scene, lease))).toEqual({ red: 2, blue: 2, "": 2 });
    expect(await claimedLanes(scene, lease)).toEqual([]);
    scene.clock.advance(FORGOTTEN_MS);
    expect(tally(await claimedLanes(scene, lease))).toEqual({ red: 2, blue: 2, "": 2 });
  });

  it("says when there is room again", async (scene) => {
    await govern(scene, { rate: rate(3), lane: { rate: rate(1, 400) } });
    await fill(scene, "red", 5);
    const lease = await scene.worker();
    for (let claims = 0; claims < 4; claims++) {
      expect(await claimedCount(scene, lease)).toBe(1);
      const at = await scene.store.nextDue({ queues: [QUEUE], fingerprints: [FINGERPRINT] });
      const waitMs = (at ?? 0) - scene.clock.now();
      expect([waitMs > 0, waitMs <= FORGOTTEN_MS]).toEqual([true, true]);
      scene.clock.advance(waitMs - 1);
      expect(await claimedCount(scene, lease)).toBe(0);
      scene.clock.advance(1);
    }
  });
}

function defineCombined({ it, expect }: Suite): void {
  it("keeps the rates of the queue and of its lanes together", async (scene) => {
    await govern(scene, { rate: rate(5), lane: { rate: rate(2) } });
    for (const lane of ["red", "blue", "green"]) await fill(scene, lane, 5);
    const counts = tally(await claimedLanes(scene, await scene.worker()));
    expect(Object.values(counts).toSorted((a, b) => a - b)).toEqual([1, 2, 2]);
  });

  it("keeps rate and concurrency together", async (scene) => {
    await govern(scene, { concurrency: 2, rate: rate(3) });
    await fill(scene, "", 10);
    const lease = await scene.worker();
    const held = await claimHeld(scene, lease);
    for (const one of held) await scene.pass(endRun(one));
    expect([held.length, await claimedCount(scene, lease)]).toEqual([2, 1]);
    scene.clock.advance(FORGOTTEN_MS);
    expect(await claimedCount(scene, lease)).toBe(1);
  });

  it("counts what was taken, not what was asked for", async (scene) => {
    await govern(scene, { rate: rate(3) });
    await fill(scene, "", 2);
    const lease = await scene.worker();
    expect(await claimedCount(scene, lease, { limit: 50 })).toBe(2);
    await fill(scene, "", 5);
    expect(await claimedCount(scene, lease)).toBe(1);
  });

  it("counts nothing that another queue was preferred to", async (scene) => {
    await govern(scene, { rate: rate(2) });
    await fill(scene, "", 5);
    await fill(scene, "", 5, { queue: "mail", priority: 9 });
    const lease = await scene.worker();
    const both = { queues: [QUEUE, "mail"], limit: 4 };
    expect((await scene.claim(lease, both)).map(({ queue }) => queue)).toEqual(["mail", "mail", "mail", "mail"]);
    expect(tally((await scene.claim(lease, both)).map(({ queue }) => queue))).toEqual({ mail: 1, [QUEUE]: 2 });
  });

  it("counts every claim of a fiber, and takes none back", async (scene) => {
    await govern(scene, { rate: rate(2) });
    await scene.start();
    const lease = await scene.worker();
    const { held } = await scene.claimOne(lease);
    await scene.pass(handBack(held, START_MS));
    await scene.claimOne(lease);
    await scene.store.release(lease.worker, lease.epoch);
    expect(await claimedCount(scene, lease)).toBe(0);
  });
}

function defineRateChanges({ it, expect }: Suite): void {
  it("goes on when the same rules are put again", async (scene) => {
    await govern(scene, { rate: rate(2), lane: { rate: rate(2) } });
    await fill(scene, "red", 5);
    const lease = await scene.worker();
    await claimedCount(scene, lease);
    await govern(scene, { rate: rate(2), lane: { rate: rate(2) } });
    expect(await claimedCount(scene, lease)).toBe(0);
  });

  it("counts what was claimed before when the count changes", async (scene) => {
    await govern(scene, { rate: rate(2) });
    await fill(scene, "", 9);
    const lease = await scene.worker();
    await claimedCount(scene, lease);
    await govern(scene, { rate: rate(5) });
    expect(await claimedCount(scene, lease)).toBe(3);
    await govern(scene, { rate: rate(1) });
    scene.clock.advance(PER_MS - 1);
    expect(await claimedCount(scene, lease)).toBe(0);
  });

  it("starts anew when the period changes", async (scene) => {
    await govern(scene, { rate: rate(2, 1_000), lane: { rate: rate(2, 1_000) } });
    await fill(scene, "red", 9);
    const lease = await scene.worker();
    await claimedCount(scene, lease);
    await govern(scene, { rate: rate(2, 3_600_000), lane: { rate: rate(3, 3_600_000) } });
    expect(await claimedCount(scene, lease)).toBe(2);
    scene.clock.advance(60_000);
    expect(await claimedCount(scene, lease)).toBe(0);
    await govern(scene, { rate: rate(1, 100) });
    expect(await claimedCount(scene, lease)).toBe(1);
  });

  it("admits again after a long time without claims", async (scene) => {
    await govern(scene, { lane: { rate: rate(1) } });
    await fill(scene, "red", 1);
    const lease = await scene.worker();
    await claimedCount(scene, lease);
    scene.clock.advance(86_400_000);
    for (const lane of ["red", "blue"]) await fill(scene, lane, 2);
    const again = await scene.worker(OTHER_WORKER);
    expect((await claimedLanes(scene, again)).toSorted()).toEqual(["blue", "red"]);
  });

  it("knows the lanes apart after one of them was cancelled", async (scene) => {
    await govern(scene, { lane: { rate: rate(1) } });
    for (const lane of ["red", "blue"]) await fill(scene, lane, 2);
    const lease = await scene.worker();
    await claimedCount(scene, lease);
    await scene.store.cancel(runId("red-2"), "why");
    expect(await claimedLanes(scene, lease)).toEqual(["red"]);
    scene.clock.advance(FORGOTTEN_MS);
    expect(await claimedLanes(scene, lease)).toEqual(["blue"]);
  });
}
