// Claims ready runs one by one, in turn from an empty file and from one that holds parked runs: what slows the disk down for
// a moment slows both.
import { type Queue, openQueue, settingsOf } from "../flujo.ts";
import { arguments_, quantile } from "../peers/closed-loop.mjs";
import { reportFlujo } from "./report.ts";

const WARM_UP_CLAIMS = 100;

const { runs, directory, beside } = arguments_;
if (directory === undefined || beside === undefined)
  throw new RangeError("--directory and --beside must name databases");

async function claimMicros(queue: Queue): Promise<number> {
  const startedAt = performance.now();
  if (!(await queue.claimOne())) throw new Error("a claim found nothing");
  return (performance.now() - startedAt) * 1000;
}

await using empty = await openQueue(directory);
await using full = await openQueue(beside);
const queues = [empty, full];
const micros: [number[], number[]] = [[], []];
for (const queue of queues) await queue.fill(WARM_UP_CLAIMS + runs);
for (let i = 0; i < WARM_UP_CLAIMS + runs; i++) {
  const pair = [await claimMicros(empty), await claimMicros(full)] as const;
  if (i < WARM_UP_CLAIMS) continue;
  micros[0].push(pair[0]);
  micros[1].push(pair[1]);
}
for (const queue of queues) await queue.finish();
for (const each of micros) each.sort((a, b) => a - b);
reportFlujo(settingsOf({ store: "sqlite" }), {
  claims: runs,
  emptyP50Micros: quantile(micros[0], 0.5),
  emptyP99Micros: quantile(micros[0], 0.99),
  fullP50Micros: quantile(micros[1], 0.5),
  fullP99Micros: quantile(micros[1], 0.99),
});
