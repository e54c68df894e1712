// One run of four no-op steps at a time, with a pause between them so that each finds the engine idle.
import { settingsOf } from "../flujo-place.ts";
import { openChain } from "../flujo.ts";
import { idleLatencies } from "../peers/idle-latencies.mjs";
import { scratchPlace } from "./place.ts";
import { reportFlujo } from "./report.ts";

const STEPS = 4;

await using scratch = await scratchPlace();
const { place } = scratch;
await using chain = await openChain({ place, concurrency: 16 }, STEPS);
const figures = await idleLatencies(async () => {
  const startedAt = performance.now();
  await chain.run();
  return performance.now() - startedAt;
});
reportFlujo(settingsOf(place), figures);
