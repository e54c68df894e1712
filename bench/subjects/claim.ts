// Claims ready runs one by one, in turn from an empty store and from one that holds many runs: what slows the disk down for
// a moment slows both.
import { settingsOf } from "../flujo-place.ts";
import { type Queue, openQueue } from "../flujo-queue.ts";
import { arguments_, quantile } from "../peers/closed-loop.mjs";
import { parsePlace } from "./place.ts";
import { reportFlujo } from "./report.ts";

const WARM_UP_CLAIMS = 100;
const QUEUE = { name: "default" };

const { runs } = arguments_;
const place = parsePlace(arguments_.place);

async function claimMicros(queue: Queue): Promise<number> {
  const startedAt = performance.now();
  if ((await queue.claim(1)) !== 1) throw new Error("a claim found nothing");
  return (performance.now() - startedAt) * 1000;
}

await using empty = await openQueue(place, QUEUE);
await using full = await openQueue(parsePlace(arguments_.beside), QUEUE);
const queues = [empty, full];
const micros: [number[], number[]] = [[], []];
for (const queue of queues) await queue.fill(WARM_UP_CLAIMS + runs, 1);
for (let i = 0; i < WARM_UP_CLAIMS + runs; i++) {
  const pair = [await claimMicros(empty), await claimMicros(full)] as const;
  if (i < WARM_UP_CLAIMS) continue;
  micros[0].push(pair[0]);
  micros[1].push(pair[1]);
}
for (const queue of queues) await queue.finish();
for (const each of micros) each.sort((a, b) => a - b);
reportFlujo(settingsOf(place), {
  claims: runs,
  emptyP50Micros: quantile(micros[0], 0.5),
  emptyP99Micros: quantile(micros[0], 0.99),
  fullP50Micros: quantile(micros[1], 0.5),
  fullP99Micros: quantile(micros[1], 0.99),
});
