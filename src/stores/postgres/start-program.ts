import {
  BLOB_PARAMS,
  deliver,
  EVENT_PARAMS,
  FIBER_PARAMS,
  insertBlobs,
  insertEvents,
  insertFibers,
  insertPairs,
  insertRuns,
  lockQueues,
  lockWorkers,
  MESSAGE_PARAMS,
  PAIR_PARAMS,
  type ParamTypes,
  prefixed,
  RUN_PARAMS,
} from "./insert-steps.ts";
import { NOW, type Program, type Step } from "./program.ts";

/** Arrays of new runs with all that they bring along. `i` of a run is what starts it; of all else it is the number of its run. */
export const START_PARAMS: ParamTypes = {
  ...prefixed("r", RUN_PARAMS),
  ...prefixed("rf", FIBER_PARAMS),
  ...prefixed("re", EVENT_PARAMS),
  ...prefixed("rp", PAIR_PARAMS),
  ...prefixed("rm", MESSAGE_PARAMS),
  ...prefixed("rb", BLOB_PARAMS),
};

/** An id that exists is left alone, with all that belongs to it. Into `created`: numbers of the runs that are new. */
export const startSteps = (owner: string): readonly Step[] => [
  insertRuns("r", owner),
  insertFibers("rf", "created"),
  insertEvents("re", "created"),
  insertPairs("rp", "created"),
  ...deliver("rm", "created", "r_mail"),
  ...insertBlobs("rb", "created"),
];

export const START_VARIABLES: ParamTypes = {
  created: "int[]",
  leased: "int[]",
  queued: "text[]",
  r_mail: "int[]",
  locked: "int",
  woke: "int",
};

/** Starts many runs: whole or not at all, each on its own, unless a row cannot be stored: then none. */
export const CREATE_RUNS: Program = {
  name: "create_runs_1",
  params: { now: "float8", ok: "int[]", lock_workers: "text[]", lock_queues: "text[]", ...START_PARAMS },
  variables: START_VARIABLES,
  returns: "n int, leased boolean",
  steps: [
    NOW,
    lockWorkers("lock_workers"),
    lockQueues("lock_queues"),
    ...startSteps("ok"),
    { sql: "SELECT n, n = ANY(:leased) FROM unnest(:created) AS c (n)" },
  ],
};
