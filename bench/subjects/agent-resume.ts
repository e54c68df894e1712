// Takes the agent up again that another process left at `--place`: once in a process that has done nothing yet, then `--runs` times.
import { takeUpAgent } from "../flujo-agent.ts";
import { settingsOf } from "../flujo-place.ts";
import { arguments_, quantile } from "../peers/closed-loop.mjs";
import { parsePlace } from "./place.ts";
import { reportFlujo } from "./report.ts";

const { runs, turns } = arguments_;
const place = parsePlace(arguments_.place);
const firstMs = await takeUpAgent(place, turns);
const times: number[] = [];
for (let i = 0; i < runs; i++) times.push(await takeUpAgent(place, turns));
times.sort((a, b) => a - b);
reportFlujo(settingsOf(place), { runs, firstMs, p50Ms: quantile(times, 0.5), p95Ms: quantile(times, 0.95) });
