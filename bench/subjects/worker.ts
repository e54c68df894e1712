// A worker process: warms up on runs of its own, takes those of others when told, until its parent goes away.
import { once } from "node:events";
import { openChain, openWorker } from "../flujo.ts";
import { STEPS_PER_RUN, arguments_ } from "../peers/closed-loop.mjs";
import type { FromWorker } from "./fork-worker.ts";
import { parsePlace } from "./place.ts";

// Counting is not to cost what is counted.
const TELL_EVERY_MS = 20;

const place = parsePlace(arguments_.place);
const { concurrency, warmupMs } = arguments_;
const tell = (message: FromWorker) => void (process.connected && process.send?.(message));

/** In a queue of its own, so that it takes nothing that waits for the measurement. */
async function warmUp(): Promise<void> {
  const warmUntil = performance.now() + warmupMs;
  await using chain = await openChain({ place, concurrency, queue: `warm-up-${process.pid}` }, STEPS_PER_RUN);
  const lane = async () => {
    while (performance.now() < warmUntil) await chain.run();
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
}

await warmUp();
const served = once(process, "message");
const left = once(process, "disconnect");
tell({ kind: "warm" });
if ((await Promise.race([served, left])).length > 0) {
  let runs = 0;
  await using _worker = await openWorker({ place, concurrency, onEnd: () => runs++ }, STEPS_PER_RUN);
  tell({ kind: "serving" });
  const telling = setInterval(() => {
    if (runs > 0) tell({ kind: "ended", runs });
    runs = 0;
  }, TELL_EVERY_MS);
  await left;
  clearInterval(telling);
}
