// From start() in this process to the first step in another one, one run at a time on an idle store.
import { settingsOf } from "../flujo-place.ts";
import { openRemoteStart } from "../flujo.ts";
import { forkWorkers } from "./fork-worker.ts";
import { idleLatencies } from "../peers/idle-latencies.mjs";
import { scratchPlace } from "./place.ts";
import { reportFlujo } from "./report.ts";

await using scratch = await scratchPlace();
const { place } = scratch;
await using workers = await forkWorkers(place, { count: 1, concurrency: 16 });
await workers.serve();
await using starter = await openRemoteStart(place);
reportFlujo(settingsOf(place), await idleLatencies(() => starter.run()));
