// What a cluster of workers with nothing to do asks of its server, counted by the server.
import { setTimeout as sleep } from "node:timers/promises";
import type { Place } from "../flujo-place.ts";
import { settingsOf } from "../flujo-place.ts";
import { arguments_ } from "../peers/closed-loop.mjs";
import { forkWorkers } from "./fork-worker.ts";
import { scratchPlace } from "./place.ts";
import { reportFlujo } from "./report.ts";
import { countPostgres, countRedis } from "./server-counters.ts";

// The connections of the start are over, and each timer of a worker has fired a few times.
const SETTLE_MS = 3_000;
const WATCH_MS = 12_000;

const { workers: count } = arguments_;
await using scratch = await scratchPlace();
const { place } = scratch;

async function counterFor(where: Place) {
  switch (where.store) {
    case "postgres":
      return countPostgres(arguments_.url ?? where.url, where.url);
    case "redis":
      return countRedis(where.url);
    default:
      throw new RangeError(`${where.store} is no server`);
  }
}

await using counter = await counterFor(place);
await using workers = await forkWorkers(place, { count, concurrency: 100 });
await workers.serve();
await sleep(SETTLE_MS);
await counter.reset();
const startedAt = performance.now();
await sleep(WATCH_MS);
const calls = await counter.read();
const seconds = (performance.now() - startedAt) / 1000;
const total = [...calls.values()].reduce((sum, each) => sum + each, 0);
reportFlujo(
  { ...settingsOf(place), counted: counter.how },
  {
    workers: count,
    perSecondAndWorker: total / seconds / count,
    calls: Object.fromEntries([...calls].sort(([, a], [, b]) => b - a)),
  },
);
