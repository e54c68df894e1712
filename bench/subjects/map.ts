// One map over many items, warmed up by small ones: a thousand items of a process that still compiles would flatter the ratio.
import { settingsOf } from "../flujo-place.ts";
import { openMap } from "../flujo.ts";
import { arguments_, quantile } from "../peers/closed-loop.mjs";
import { scratchPlace } from "./place.ts";
import { reportFlujo } from "./report.ts";

const WARM_UP_ITEMS = 1_000;
const WARM_UP_MS = 1_500;
// Items measured at least: a single map of 1,000 is over in milliseconds.
const MIN_ITEMS = 10_000;

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

const { items } = arguments_;
await using scratch = await scratchPlace();
const { place } = scratch;
await using map = await openMap({ place, concurrency: 100 });
const warmUntil = performance.now() + WARM_UP_MS;
while (performance.now() < warmUntil) await map.run(range(WARM_UP_ITEMS));
globalThis.gc?.();
const rssBefore = process.memoryUsage.rss();
const perItem: number[] = [];
for (let measured = 0; measured < MIN_ITEMS; measured += items) {
  const input = range(items);
  const startedAt = performance.now();
  await map.run(input);
  perItem.push(((performance.now() - startedAt) * 1000) / items);
}
perItem.sort((a, b) => a - b);
const microsPerItem = quantile(perItem, 0.5);
reportFlujo(settingsOf(place), {
  items,
  maps: perItem.length,
  microsPerItem,
  itemsPerSecond: 1_000_000 / microsPerItem,
  rssBeforeMb: rssBefore / 2 ** 20,
  peakRssMb: process.resourceUsage().maxRSS / 2 ** 10,
});
