import { cancelRuns } from "./cancel-steps.ts";
import {
  BLOB_PARAMS,
  deliver,
  EVENT_PARAMS,
  FIBER_PARAMS,
  insertBlobs,
  insertEvents,
  insertFibers,
  lockQueues,
  lockRuns,
  MESSAGE_PARAMS,
  prefixed,
} from "./insert-steps.ts";
import { NOW, type Program } from "./program.ts";

/** A message from outside. The row of the run is its mailbox's lock (see commit-program.ts). */
export const SIGNAL: Program = {
  name: "signal_1",
  params: {
    now: "float8",
    ok: "int[]",
    lock_runs: "text[]",
    ...prefixed("m", MESSAGE_PARAMS),
    ...prefixed("b", BLOB_PARAMS),
  },
  variables: { taken: "int[]", locked: "int", woke: "int" },
  returns: "outcome text, woke int",
  steps: [
    NOW,
    lockRuns("lock_runs"),
    ...deliver("m", "ok", "taken"),
    ...insertBlobs("b", "taken"),
    {
      sql: `
  SELECT CASE WHEN cardinality(:taken) > 0 THEN 'delivered'
    WHEN NOT EXISTS (SELECT 1 FROM flujo.runs AS r WHERE r.id = g.run) THEN 'unknown'
    WHEN EXISTS (SELECT 1 FROM flujo.message_ids AS i WHERE i.run = g.run AND i.mark = g.mark) THEN 'duplicate'
    ELSE 'ended' END, coalesce(:woke, 0)
  FROM unnest(:m_run, :m_mark) AS g (run, mark)`,
    },
  ],
};

export const CANCEL: Program = {
  name: "cancel_1",
  params: { now: "float8", ok: "int[]", lock_runs: "text[]", x_i: "int[]", x_run: "text[]", x_reason: "text[]" },
  variables: { locked: "int" },
  returns: "outcome text",
  steps: [
    NOW,
    lockRuns("lock_runs"),
    ...cancelRuns("ok"),
    {
      sql: `
  SELECT CASE WHEN r.id IS NULL THEN 'unknown' WHEN r.ended_at IS NULL THEN 'requested' ELSE 'ended' END
  FROM unnest(:x_run) AS x (run) LEFT JOIN flujo.runs AS r ON r.id = x.run`,
    },
  ],
};

/** `ok` names the revival if its run has ended; everything is written on its behalf. */
export const REVIVE: Program = {
  name: "revive_1",
  params: {
    now: "float8",
    lock_queues: "text[]",
    lock_runs: "text[]",
    ...prefixed("e", EVENT_PARAMS),
    ...prefixed("s", FIBER_PARAMS),
    ...prefixed("m", MESSAGE_PARAMS),
    ...prefixed("b", BLOB_PARAMS),
  },
  variables: { ok: "int[]", queued: "text[]", taken: "int[]", locked: "int", woke: "int" },
  returns: "outcome text",
  steps: [
    NOW,
    lockQueues("lock_queues"),
    lockRuns("lock_runs"),
    {
      into: "ok",
      sql: `SELECT coalesce(array_agg(1), '{}') FROM flujo.runs WHERE id = ANY(:lock_runs) AND ended_at IS NOT NULL`,
    },
    {
      when: "ok",
      sql: `
  UPDATE flujo.runs SET status = 'open', output = NULL, failure = NULL, ended_at = NULL, cancel_reason = NULL,
    started_at = coalesce(started_at, :now)
  WHERE id = ANY(:lock_runs)`,
    },
    insertEvents("e", "ok"),
    insertFibers("s", "ok"),
    ...deliver("m", "ok", "taken"),
    ...insertBlobs("b", "ok"),
    {
      sql: `
  SELECT CASE WHEN r.id IS NULL THEN 'unknown' WHEN cardinality(:ok) > 0 THEN 'revived' ELSE 'not-ended' END
  FROM unnest(:lock_runs) AS x (run) LEFT JOIN flujo.runs AS r ON r.id = x.run`,
    },
  ],
};
