// A backlog of runs of ten no-op steps for so many worker processes: steps per second from when they may begin.
import { settingsOf } from "../flujo-place.ts";
import { openBacklog } from "../flujo.ts";
import { STEPS_PER_RUN, arguments_ } from "../peers/closed-loop.mjs";
import { forkWorkers } from "./fork-worker.ts";
import { scratchPlace } from "./place.ts";
import { reportFlujo } from "./report.ts";

const STARTERS = 100;

const { runs, workers: count, concurrency } = arguments_;
await using scratch = await scratchPlace();
const { place } = scratch;

async function enqueue(): Promise<number> {
  await using backlog = await openBacklog(place, STEPS_PER_RUN);
  const startedAt = performance.now();
  let left = runs;
  const lane = async () => {
    while (left-- > 0) await backlog.run();
  };
  await Promise.all(Array.from({ length: STARTERS }, lane));
  return (runs * 1000) / (performance.now() - startedAt);
}

let ended = 0;
let allEnded = () => {};
const done = new Promise<void>((resolve) => {
  allEnded = resolve;
});
const onEnded = (more: number) => {
  ended += more;
  if (ended >= runs) allEnded();
};
await using workers = await forkWorkers(place, { count, concurrency, onEnded });
const startsPerSecond = await enqueue();
const startedAt = performance.now();
await workers.serve();
await done;
const seconds = (performance.now() - startedAt) / 1000;
reportFlujo(settingsOf(place), {
  runs,
  workers: count,
  startsPerSecond,
  stepsPerSecond: (runs * STEPS_PER_RUN) / seconds,
});
