import { setTimeout as sleep } from "node:timers/promises";
import { arguments_, quantile } from "./closed-loop.mjs";

// Long enough for everything that the run before set off to be over.
const IDLE_MS = 2;

/** Warms up, then takes the latency (ms) of `--runs` runs, one at a time with pauses: each finds the engine idle. */
export async function idleLatencies(once) {
  const { runs, warmupMs } = arguments_;
  const warmUntil = performance.now() + warmupMs;
  while (performance.now() < warmUntil) await once();
  const latencies = [];
  for (let i = 0; i < runs; i++) {
    await sleep(IDLE_MS);
    latencies.push(await once());
  }
  latencies.sort((a, b) => a - b);
  return { runs, p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99) };
}
