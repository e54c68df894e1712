// Fills a store with runs that wait for a signal.
import { settingsOf } from "../flujo-place.ts";
import { openParking } from "../flujo.ts";
import { arguments_ } from "../peers/closed-loop.mjs";
import { parsePlace } from "./place.ts";
import { reportFlujo } from "./report.ts";

const IN_FLIGHT = 500;

const { items } = arguments_;
const place = parsePlace(arguments_.place);
await using parking = await openParking({ place, concurrency: IN_FLIGHT });
const startedAt = performance.now();
let next = 0;
const lane = async () => {
  while (next < items) await parking.run(next++);
};
await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
reportFlujo(settingsOf(place), { parked: items, parkedPerSecond: (items * 1000) / (performance.now() - startedAt) });
