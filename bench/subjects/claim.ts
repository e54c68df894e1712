// Claims ready runs one by one from a file that may hold parked ones, then looks how large an idle worker on that file is.
import { setTimeout as sleep } from "node:timers/promises";
import { openParking, openQueue, settingsOf } from "../flujo.ts";
import { arguments_, quantile } from "../peers/closed-loop.mjs";
import { reportFlujo } from "./report.ts";

const WARM_UP_CLAIMS = 100;
// Long enough for a worker to have polled, beaten and swept a few times.
const IDLE_MS = 1_500;

const { runs, directory } = arguments_;
if (directory === undefined) throw new RangeError("--directory must name the directory of the database");

async function timeClaims(directory: string): Promise<number[]> {
  await using queue = await openQueue(directory);
  await queue.fill(WARM_UP_CLAIMS + runs);
  const micros: number[] = [];
  for (let i = 0; i < WARM_UP_CLAIMS + runs; i++) {
    const startedAt = performance.now();
    if (!(await queue.claimOne())) throw new Error(`claim ${i} found nothing`);
    if (i >= WARM_UP_CLAIMS) micros.push((performance.now() - startedAt) * 1000);
  }
  await queue.finish();
  return micros.sort((a, b) => a - b);
}

/** RSS (bytes) of this process once a worker has idled on the file. */
async function idleWorker(directory: string): Promise<number> {
  await using worker = openParking({ store: "sqlite", directory, concurrency: 16 });
  await worker.start();
  await sleep(IDLE_MS);
  globalThis.gc?.();
  return process.memoryUsage.rss();
}

const micros = await timeClaims(directory);
const rss = await idleWorker(directory);
reportFlujo(settingsOf({ store: "sqlite" }), {
  claims: micros.length,
  claimP50Micros: quantile(micros, 0.5),
  claimP99Micros: quantile(micros, 0.99),
  rssMb: rss / 2 ** 20,
});
