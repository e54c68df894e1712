// flujo under the load the peers get: runs of ten no-op steps.
import { settingsOf } from "../flujo-place.ts";
import { openChain } from "../flujo.ts";
import { STEPS_PER_RUN, arguments_, closedLoop } from "../peers/closed-loop.mjs";
import { scratchPlace } from "./place.ts";
import { reportFlujo } from "./report.ts";

await using scratch = await scratchPlace();
const { place } = scratch;
await using chain = await openChain({ place, concurrency: arguments_.concurrency }, STEPS_PER_RUN);
const figures = await closedLoop(() => chain.run());
reportFlujo(settingsOf(place), figures);
