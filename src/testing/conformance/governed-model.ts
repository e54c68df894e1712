import { checkInvariants } from "../../engine/invariants.ts";
import { type WorkerId, workerId } from "../../domain/ids.ts";
import { admit, afterClaims, NO_CLAIMS, NO_LANE, type QueueRules, type RateState } from "../../ports/queue-rules.ts";
import type { LeasedFiber } from "../../ports/queue.ts";
import type { Lease } from "../../ports/store.ts";
import { type Random, seededRandom } from "../random.ts";
import { fill, govern } from "./governing.ts";
import { FINGERPRINT, QUEUE } from "./records.ts";
import type { Scene } from "./scene.ts";
import type { AspectSuite } from "./suite.ts";
import { endRun, handBack, type Held, heldOf, park, transition } from "./transitions.ts";

/*
 * Governed queues at random, beside a count of the plainest kind: lists of who waits and who works in each lane. A claim must
 * give what `admit` says for those lists, lane by lane except for whose turn it is, and `nextDue` must say whether a claim is
 * worth a try.
 */

const LANES = [NO_LANE, "red", "blue", "green"] as const;
const WORKERS: readonly WorkerId[] = ["ann", "bob"].map((name) => workerId(name));
const COMMANDS = 50;
const PER_MS = 1_600;
const ALL = { queues: [QUEUE], fingerprints: [FINGERPRINT] };

interface Working extends Held {
  readonly lane: string;
}

class GovernedRehearsal {
  readonly #scene: Scene;
  readonly #random: Random;
  #rules: Omit<QueueRules, "queue"> = { lane: {} };
  #rate: RateState = NO_CLAIMS;
  readonly #laneRates = new Map<string, RateState>();
  /** Runs that wait, with their lanes, and those that shall stop. */
  readonly #waiting = new Map<string, string>();
  readonly #stopping = new Set<string>();
  #working: Working[] = [];
  readonly #leases: Lease[] = [];

  constructor(scene: Scene, seed: number) {
    this.#scene = scene;
    this.#random = seededRandom(seed);
  }

  async run(): Promise<readonly string[]> {
    for (const worker of WORKERS) this.#leases.push(await this.#scene.worker(worker, 1_000_000));
    await this.#govern();
    const done: string[] = [];
    for (let i = 0; i < COMMANDS; i++) {
      const [what, wrong] = await this.#step();
      done.push(what);
      if (wrong.length > 0) return [...wrong, `after ${done.join(", ")}`];
    }
    return [];
  }

  async #step(): Promise<readonly [string, readonly string[]]> {
    const random = this.#random;
    const roll = random.next();
    if (roll < 0.45) return this.#claim(random.int(1, 6));
    if (roll < 0.6) return [await this.#fill(), []];
    if (roll < 0.83) return [await this.#leave(), []];
    if (roll < 0.87) return [await this.#cancel(), []];
    if (roll < 0.97) {
      const byMs = random.int(1, random.chance(0.3) ? 2 * PER_MS : 300);
      this.#scene.clock.advance(byMs);
      return [`${byMs} ms`, []];
    }
    return [await this.#govern(), []];
  }

  async #govern(): Promise<string> {
    const random = this.#random;
    const limits = (): Omit<QueueRules, "queue" | "lane"> => ({
      ...(random.chance(0.5) && { concurrency: random.int(1, 4) }),
      ...(random.chance(0.25) && { rate: { count: random.int(1, 4), perMs: PER_MS } }),
    });
    // Never without any rule: a free queue is what the other model is for.
    this.#rules = { ...limits(), lane: limits() };
    await govern(this.#scene, this.#rules);
    return `rules ${JSON.stringify(this.#rules)}`;
  }

  async #fill(): Promise<string> {
    const lane = this.#random.pick(LANES) ?? NO_LANE;
    for (const run of await fill(this.#scene, lane, this.#random.int(1, 4))) this.#waiting.set(run, lane);
    return `fills "${lane}"`;
  }

  async #cancel(): Promise<string> {
    const run = this.#random.pick([...this.#waiting.keys()]);
    if (run === undefined) return "nothing";
    await this.#scene.store.cancel(run as never, "stop");
    this.#stopping.add(run);
    return `stops ${run}`;
  }

  /** A fiber leaves its place in one of the ways there are. */
  async #leave(): Promise<string> {
    const random = this.#random;
    const one = random.pick(this.#working);
    if (one === undefined) return "nothing";
    this.#working = this.#working.filter((other) => other !== one);
    const { run, lease, lane } = one;
    const now = this.#scene.clock.now();
    const acknowledge = this.#stopping.delete(run) ? { acknowledgeCancel: true } : {};
    switch (random.int(0, 8)) {
      case 0:
        await this.#scene.pass(handBack(one, now, acknowledge));
        break;
      case 1:
        await this.#scene.pass(park(one, { until: now, ...acknowledge }));
        break;
      case 2: {
        const lanes = lane === NO_LANE ? {} : { lane };
        await this.#scene.pass(
          transition(one, { scheduling: { queue: QUEUE, priority: 0, ...lanes }, ...acknowledge }),
        );
        break;
      }
      case 3:
        if ("acknowledgeCancel" in acknowledge) this.#stopping.add(run); // nobody took note of it
        await this.#scene.store.release(lease.worker, lease.epoch, { only: [{ run, fiber: one.fiber }] });
        break;
      default:
        await this.#scene.pass(endRun(one));
        return `${run} ends`;
    }
    this.#waiting.set(run, lane);
    return `${run} goes back`;
  }

  /** Those that stop come first: asked for so many, a claim gives them and nothing else. */
  async #claim(most: number): Promise<readonly [string, readonly string[]]> {
    const lease = this.#random.pick(this.#leases);
    if (lease === undefined) return ["nothing", []];
    const limit = this.#stops() > 0 ? this.#stops() : most;
    const expected = this.#expected(limit);
    const due = await this.#scene.store.nextDue(ALL);
    const claimed = await this.#scene.claim(lease, { limit });
    const wrong: string[] = [];
    const now = this.#scene.clock.now();
    if (due !== undefined && due <= now !== expected.total > 0)
      wrong.push(`nextDue said ${due - now} ms where ${expected.total} could be claimed`);
    if (due === undefined && expected.total > 0) wrong.push(`nextDue knew nothing of ${expected.total} fibers`);
    if (claimed.length !== expected.total) wrong.push(`claimed ${claimed.length} where ${expected.total} are admitted`);
    const worked = claimed.filter(({ run }) => !this.#stopping.has(run));
    if (shape(countByLane(worked)) !== expected.shape)
      wrong.push(`lanes got ${shape(countByLane(worked))} and should have got ${expected.shape}`);
    this.#take(claimed, worked, lease);
    return [`claims ${limit}: ${claimed.map(({ run }) => run).join(" ")}`, wrong];
  }

  #take(claimed: readonly LeasedFiber[], worked: readonly LeasedFiber[], lease: Lease): void {
    const now = this.#scene.clock.now();
    for (const fiber of claimed) {
      this.#waiting.delete(fiber.run);
      this.#working.push({ ...heldOf(fiber, lease), lane: fiber.lane ?? NO_LANE });
    }
    const { rate, lane: { rate: laneRate } = {} } = this.#rules;
    this.#rate = rate === undefined ? this.#rate : afterClaims(rate, this.#rate, { now, claims: worked.length });
    if (laneRate === undefined) return;
    for (const [lane, claims] of countByLane(worked))
      this.#laneRates.set(lane, afterClaims(laneRate, this.#laneRates.get(lane) ?? NO_CLAIMS, { now, claims }));
  }

  /** How many may come, and how many of each lane, whichever lanes those are. */
  #expected(limit: number): { readonly total: number; readonly shape: string } {
    const stopping = this.#stops();
    if (stopping > 0) return { total: stopping, shape: "nothing" };
    const lanes = LANES.map((lane) => ({
      lane,
      claimable: [...this.#waiting.values()].filter((of) => of === lane).length,
      leased: this.#working.filter((one) => one.lane === lane).length,
      rate: this.#laneRates.get(lane) ?? NO_CLAIMS,
    }));
    const view = { leased: this.#working.length, rate: this.#rate, lanes };
    const taken = admit({ queue: QUEUE, ...this.#rules }, view, limit, this.#scene.clock.now());
    return { total: [...taken.values()].reduce((sum, count) => sum + count, 0), shape: shape(taken) };
  }

  #stops(): number {
    return [...this.#waiting.keys()].filter((run) => this.#stopping.has(run)).length;
  }
}

function countByLane(fibers: readonly LeasedFiber[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { lane = NO_LANE } of fibers) counts.set(lane, (counts.get(lane) ?? 0) + 1);
  return counts;
}

/** Counts without names, largest first. */
const shape = (counts: ReadonlyMap<string, number>): string =>
  [...counts.values()].toSorted((a, b) => b - a).join("+") || "nothing";

const SEEDS = 60;
const SEEDS_PER_CASE = 10;

export const governedModel: AspectSuite = {
  aspect: "queue-rules",
  title: "admits to a governed queue what a simple count admits, at random",
  define({ it, expect, underTest, openScene }) {
    const seeds = Math.min(SEEDS, underTest.seeds ?? SEEDS);
    for (let first = 1; first <= seeds; first += SEEDS_PER_CASE) {
      const last = Math.min(seeds, first + SEEDS_PER_CASE - 1);
      it(
        `agrees for ${COMMANDS} commands of seeds ${first} to ${last}`,
        async () => {
          for (let seed = first; seed <= last; seed++) {
            await using opened = await openScene();
            expect([seed, ...(await new GovernedRehearsal(opened.scene, seed).run())]).toEqual([seed]);
            expect(await checkInvariants(opened.scene.store, { now: opened.scene.clock.now() })).toEqual([]);
          }
        },
        { checked: false }, // each has a scene and a clock of its own, which the case's does not know
      );
    }
  },
};
