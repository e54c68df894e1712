// What rules cost: queued one-step runs of many keys, created, claimed and ended at the store itself, through a queue without
// rules and through two that have them. All get the same rows: only the rules differ. The queues take turns batch by batch, so
// that what slows the disk down for a moment slows all of them.
import { settingsOf } from "../flujo-place.ts";
import { type Queue, openQueue } from "../flujo-queue.ts";
import { arguments_ } from "../peers/closed-loop.mjs";
import { scratchPlace } from "./place.ts";
import { reportFlujo } from "./report.ts";

const CREATE_AT_ONCE = 500;
const CLAIM_AT_ONCE = 100;
const WARM_UP_RUNS = 2_000;
// A checkpoint or a collection falls into a few batches of whichever queue has its turn: those are left out, for each alike.
const KEPT = 0.95;
// Wide enough that nothing ever waits: what is measured is that they are kept, not what they keep back.
const RULES = { concurrency: 10_000, lane: { concurrency: 10 } };
const RATE = { count: 1_000_000, perMs: 1_000 };

const { runs, items: keys } = arguments_;
await using scratch = await scratchPlace();
const { place } = scratch;

/** Milliseconds of each batch of one queue. */
interface Times {
  readonly create: number[];
  readonly work: number[];
}

async function timed(into: number[], act: () => Promise<void>): Promise<void> {
  const startedAt = performance.now();
  await act();
  into.push(performance.now() - startedAt);
}

async function claimAndEnd(queue: Queue): Promise<void> {
  const claimed = await queue.claim(CLAIM_AT_ONCE);
  if (claimed !== CLAIM_AT_ONCE) throw new Error(`a claim of ${CLAIM_AT_ONCE} brought ${claimed}`);
  await queue.finish();
}

/** Puts `count` runs through each of the queues. */
async function putThrough(queues: readonly Queue[], count: number): Promise<readonly Times[]> {
  const times = queues.map((): Times => ({ create: [], work: [] }));
  const inTurn = async (batches: number, act: (queue: Queue) => Promise<void>, of: keyof Times) => {
    for (let batch = 0; batch < batches; batch++) {
      for (let turn = 0; turn < queues.length; turn++) {
        const at = (batch + turn) % queues.length; // whoever comes after a slow one would always be the same
        const [queue, own] = [queues[at], times[at]];
        if (queue !== undefined && own !== undefined) await timed(own[of], () => act(queue));
      }
    }
  };
  await inTurn(count / CREATE_AT_ONCE, (queue) => queue.fill(CREATE_AT_ONCE, keys), "create");
  await inTurn(count / CLAIM_AT_ONCE, claimAndEnd, "work");
  return times;
}

/** Milliseconds that the quickest of the batches took, scaled to all of them. */
function usual(times: readonly number[]): number {
  const kept = [...times].sort((a, b) => a - b).slice(0, Math.ceil(times.length * KEPT));
  return (kept.reduce((sum, each) => sum + each, 0) * times.length) / kept.length;
}

await using free = await openQueue(place, { name: "free" });
await using governed = await openQueue(place, { name: "governed", rules: RULES });
await using rated = await openQueue(place, {
  name: "rated",
  rules: { ...RULES, rate: RATE, lane: { ...RULES.lane, rate: RATE } },
});
const queues = [free, governed, rated];
const count = Math.ceil(runs / CREATE_AT_ONCE) * CREATE_AT_ONCE;
await putThrough(queues, Math.min(WARM_UP_RUNS, count));
const [withoutRules = 0, withRules = 0, withRates = 0] = (await putThrough(queues, count)).map(
  ({ create, work }) => usual(create) + usual(work),
);
reportFlujo(settingsOf(place), {
  runs: count,
  keys,
  freePerSecond: (count * 1000) / withoutRules,
  governedPerSecond: (count * 1000) / withRules,
  ratedPerSecond: (count * 1000) / withRates,
  cost: withRules / withoutRules,
  ratedCost: withRates / withoutRules,
});
