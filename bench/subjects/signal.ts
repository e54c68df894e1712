// From signal() to the start of the step that waited for it, one run at a time on an idle store.
import { settingsOf } from "../flujo-place.ts";
import { openSignalled } from "../flujo.ts";
import { idleLatencies } from "../peers/idle-latencies.mjs";
import { scratchPlace } from "./place.ts";
import { reportFlujo } from "./report.ts";

await using scratch = await scratchPlace();
const { place } = scratch;
await using signalled = await openSignalled({ place, concurrency: 16 });
reportFlujo(settingsOf(place), await idleLatencies(() => signalled.run()));
