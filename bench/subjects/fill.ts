// Fills a store with runs that wait for a signal and with as many that have ended. The engine makes them, one by one; on
// Postgres it makes one of each, and SQL copies the rows it wrote: a million in a minute instead of an hour.
import { type Place, settingsOf } from "../flujo-place.ts";
import { openChain, openParking } from "../flujo.ts";
import { arguments_ } from "../peers/closed-loop.mjs";
import { multiplyRuns } from "./multiply-runs.ts";
import { parsePlace } from "./place.ts";
import { reportFlujo } from "./report.ts";

const IN_FLIGHT = 500;

const { items } = arguments_;
const place = parsePlace(arguments_.place);

async function make(count: number, run: () => Promise<unknown>): Promise<void> {
  let left = count;
  const lane = async () => {
    while (left-- > 0) await run();
  };
  await Promise.all(Array.from({ length: Math.min(IN_FLIGHT, count) }, lane));
}

async function fill(where: Place, count: number): Promise<void> {
  const opening = { place: where, concurrency: IN_FLIGHT };
  {
    await using parking = await openParking(opening);
    await make(count, () => parking.run(0));
  }
  await using chain = await openChain(opening, 1);
  await make(count, () => chain.run());
}

const startedAt = performance.now();
if (place.store === "postgres") {
  await fill(place, 1);
  await multiplyRuns(place.url, items - 1);
} else await fill(place, items);
const seconds = (performance.now() - startedAt) / 1000;
reportFlujo(settingsOf(place), { parked: items, ended: items, seconds });
