// What rules cost: queued runs of many keys, worked off by one worker of the engine, from a queue without rules and from
// two that have them. All get the same runs: only the rules differ. The queues take turns, so that what slows the disk down for a
// moment, and what a growing store costs, falls on all of them.
import { settingsOf } from "../flujo-place.ts";
import { openQueues } from "../flujo.ts";
import { arguments_ } from "../peers/closed-loop.mjs";
import { summarise } from "../stats.ts";
import { scratchPlace } from "./place.ts";
import { reportFlujo } from "./report.ts";

const WARM_UP_RUNS = 2_000;
// Wide enough that nothing ever waits: what is measured is that they are kept, not what they keep back.
const RULES = { concurrency: 10_000, perKey: { concurrency: 10 } };
const RATE = { limit: 1_000_000, per: 1_000 };
const QUEUES = {
  free: {},
  governed: RULES,
  rated: { ...RULES, rate: RATE, perKey: { ...RULES.perKey, rate: RATE } },
};
const NAMES = ["free", "governed", "rated"] as const;

const { runs, items: keys, steps, bursts, concurrency } = arguments_;
await using scratch = await scratchPlace();
await using queues = await openQueues(scratch.place, QUEUES, steps);

type Taken = Awaited<ReturnType<typeof queues.work>>;
const taken = { free: [] as Taken[], governed: [] as Taken[], rated: [] as Taken[] };
for (let burst = -1; burst < bursts; burst++) {
  const count = burst < 0 ? Math.min(runs, WARM_UP_RUNS) : runs;
  for (let turn = 0; turn < NAMES.length; turn++) {
    const name = NAMES[(burst + 1 + turn) % NAMES.length] ?? "free"; // whoever comes after a slow one would always be the same
    await queues.fill(name, count, keys);
    globalThis.gc?.(); // of the garbage of a burst in memory, one collection more is a tenth of the next
    const one = await queues.work(name, count, concurrency);
    if (burst >= 0) taken[name].push(one);
  }
}

/** Within a burst, beside the queue without rules. On a busy machine the CPU time of this process says more than the clock. */
const costOf = (name: "governed" | "rated", of: keyof Taken) =>
  summarise(taken[name].map((one, burst) => one[of] / (taken.free[burst]?.[of] ?? Number.NaN))).median;
const perSecond = (name: (typeof NAMES)[number]) =>
  (runs * steps * 1000) / summarise(taken[name].map(({ ms }) => ms)).median;
reportFlujo(settingsOf(scratch.place), {
  runs,
  keys,
  steps,
  freePerSecond: perSecond("free"),
  governedPerSecond: perSecond("governed"),
  ratedPerSecond: perSecond("rated"),
  cost: costOf("governed", "ms"),
  ratedCost: costOf("rated", "ms"),
  cpuCost: costOf("governed", "cpuMs"),
  ratedCpuCost: costOf("rated", "cpuMs"),
});
