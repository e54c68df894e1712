// The suites by name; each is a list of measurements, run one after the other.
import { measureBytes } from "./agents/bytes.ts";
import { measureResume } from "./agents/resume.ts";
import { measureTurns } from "./agents/turns.ts";
import type { Bench } from "./bench.ts";
import { measureLatency } from "./core/latency.ts";
import { measureLongRun } from "./core/long-run.ts";
import { measureMap } from "./core/map.ts";
import { measureParked } from "./core/parked.ts";
import { measureSteps } from "./core/steps.ts";
import type { Measured } from "./result.ts";
import { measureClaim } from "./stores/claim.ts";
import { measureIdle } from "./stores/idle.ts";
import { measureLatencies } from "./stores/latency.ts";
import { measureLimits } from "./stores/limits.ts";
import { measurePostgresSteps } from "./stores/postgres-steps.ts";
import { measureRedisSteps } from "./stores/redis-steps.ts";
import { measureWorkers } from "./stores/workers.ts";

export interface Measurement {
  readonly id: string;
  readonly measure: (bench: Bench) => Promise<Measured>;
}

export const SUITES: Readonly<Record<string, readonly Measurement[]>> = {
  core: [
    { id: "steps", measure: measureSteps },
    { id: "long-run", measure: measureLongRun },
    { id: "map", measure: measureMap },
    { id: "parked", measure: measureParked },
    { id: "latency", measure: measureLatency },
  ],
  stores: [
    { id: "postgres", measure: measurePostgresSteps },
    { id: "redis", measure: measureRedisSteps },
    { id: "latency", measure: measureLatencies },
    { id: "idle", measure: measureIdle },
    { id: "workers", measure: measureWorkers },
    { id: "limits", measure: measureLimits },
    { id: "claim", measure: measureClaim },
  ],
  agents: [
    { id: "turns", measure: measureTurns },
    { id: "bytes", measure: measureBytes },
    { id: "resume", measure: measureResume },
  ],
};
