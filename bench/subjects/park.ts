// Fills a SQLite file with runs that wait for a signal.
import { openParking, settingsOf } from "../flujo.ts";
import { arguments_ } from "../peers/closed-loop.mjs";
import { reportFlujo } from "./report.ts";

const IN_FLIGHT = 500;

const { items, directory } = arguments_;
if (directory === undefined) throw new RangeError("--directory must name the directory of the database");
await using parking = openParking({ store: "sqlite", directory, concurrency: IN_FLIGHT });
const startedAt = performance.now();
let next = 0;
const lane = async () => {
  while (next < items) await parking.run(next++);
};
await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
reportFlujo(settingsOf({ store: "sqlite" }), {
  parked: items,
  parkedPerSecond: (items * 1000) / (performance.now() - startedAt),
});
