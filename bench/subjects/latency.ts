// One run of four no-op steps at a time, with a pause between them so that each finds the engine idle.
import { setTimeout as sleep } from "node:timers/promises";
import { openChain, settingsOf } from "../flujo.ts";
import { arguments_, quantile, scratchDirectory } from "../peers/closed-loop.mjs";
import { reportFlujo } from "./report.ts";

const STEPS = 4;
const IDLE_MS = 2;

const scratch = scratchDirectory();
try {
  const { store, runs, warmupMs } = arguments_;
  await using chain = openChain({ store, directory: scratch.path, concurrency: 16 }, STEPS);
  const warmUntil = performance.now() + warmupMs;
  while (performance.now() < warmUntil) await chain.run();
  const latencies: number[] = [];
  for (let i = 0; i < runs; i++) {
    await sleep(IDLE_MS);
    const startedAt = performance.now();
    await chain.run();
    latencies.push(performance.now() - startedAt);
  }
  latencies.sort((a, b) => a - b);
  reportFlujo(settingsOf({ store }), { runs, p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99) });
} finally {
  scratch.dispose();
}
