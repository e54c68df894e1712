// How large a fresh worker is that idles on a store.
import { setTimeout as sleep } from "node:timers/promises";
import { settingsOf } from "../flujo-place.ts";
import { openParking } from "../flujo.ts";
import { arguments_ } from "../peers/closed-loop.mjs";
import { parsePlace } from "./place.ts";
import { reportFlujo } from "./report.ts";

// Long enough for a worker to have polled, beaten and swept a few times.
const IDLE_MS = 1_500;

const place = parsePlace(arguments_.place);
await using worker = await openParking({ place, concurrency: 16 });
// One run of its own: a worker that nobody asked for anything may not have started.
await worker.run(0);
await sleep(IDLE_MS);
globalThis.gc?.();
reportFlujo(settingsOf(place), { rssMb: process.memoryUsage.rss() / 2 ** 20 });
