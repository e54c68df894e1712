// How large a fresh worker is that idles on a SQLite file.
import { setTimeout as sleep } from "node:timers/promises";
import { openParking, settingsOf } from "../flujo.ts";
import { arguments_ } from "../peers/closed-loop.mjs";
import { reportFlujo } from "./report.ts";

// Long enough for a worker to have polled, beaten and swept a few times.
const IDLE_MS = 1_500;

const { directory } = arguments_;
if (directory === undefined) throw new RangeError("--directory must name the directory of the database");
await using worker = openParking({ store: "sqlite", directory, concurrency: 16 });
// One run of its own: a worker that nobody asked for anything may not have started.
await worker.run(0);
await sleep(IDLE_MS);
globalThis.gc?.();
reportFlujo(settingsOf({ store: "sqlite" }), { rssMb: process.memoryUsage.rss() / 2 ** 20 });
