// A granular agent whose model and tool answer at once, one at a time: what a turn costs is what the engine costs.
import { openAgent } from "../flujo-agent.ts";
import { settingsOf } from "../flujo-place.ts";
import { arguments_ } from "../peers/closed-loop.mjs";
import { idleLatencies } from "../peers/idle-latencies.mjs";
import { scratchPlace } from "./place.ts";
import { reportFlujo } from "./report.ts";

const { turns, costLimit } = arguments_;
await using scratch = await scratchPlace();
const { place } = scratch;
await using agent = await openAgent(place, { turns, costLimit });
const figures = await idleLatencies(() => agent.run());
reportFlujo(settingsOf(place), { ...figures, turns });
