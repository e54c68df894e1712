// One run of 10,500 steps, timed from inside the step: what lies between two calls is what the engine costs.
import { settingsOf } from "../flujo-place.ts";
import { openLoop } from "../flujo.ts";
import { quantile } from "../peers/closed-loop.mjs";
import { scratchPlace } from "./place.ts";
import { reportFlujo } from "./report.ts";

const EARLY = 10;
const LATE = 10_000;
const WINDOW_STEPS = 500;
const ITERATIONS = LATE + WINDOW_STEPS;
// Step 10 of a process that still compiles would flatter the ratio: the same loop runs before, once at least and this long.
const WARM_UP_MS = 1_500;

const times = new Float64Array(ITERATIONS);
let step = 0;

/** Median and mean time (µs) of a step in the window that starts at `from`. */
function micros(from: number): { median: number; mean: number } {
  const deltas: number[] = [];
  for (let i = from; i < from + WINDOW_STEPS - 1; i++) deltas.push(((times[i] ?? 0) - (times[i - 1] ?? 0)) * 1000);
  const mean = deltas.reduce((sum, delta) => sum + delta, 0) / deltas.length;
  deltas.sort((a, b) => a - b);
  return { median: quantile(deltas, 0.5), mean };
}

await using scratch = await scratchPlace();
const { place } = scratch;
await using loop = await openLoop({ place, concurrency: 1 }, ITERATIONS, () => {
  times[step++] = performance.now();
});
const warmUntil = performance.now() + WARM_UP_MS;
do {
  step = 0;
  await loop.run();
} while (performance.now() < warmUntil);
step = 0;
await loop.run();
const early = micros(EARLY);
const late = micros(LATE);
reportFlujo(settingsOf(place), {
  steps: ITERATIONS,
  microsAtStep10: early.median,
  microsAtStep10000: late.median,
  meanMicrosAtStep10: early.mean,
  meanMicrosAtStep10000: late.mean,
  ratio: late.median / early.median,
  stepsPerSecond: ((ITERATIONS - 1) * 1000) / ((times[ITERATIONS - 1] ?? 0) - (times[0] ?? 0)),
});
