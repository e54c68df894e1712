import { ANSWERED, HELD_PARAMS, HOLD, OF_THE_ENGINE, OURS, STARTED_AT } from "./commit-program.ts";
import { lockRuns, prefixed, rowsOf } from "./insert-steps.ts";
import type { Program } from "./program.ts";

export const FINAL_PARAMS = {
  run: "text[]",
  fiber: "text[]",
  worker: "text[]",
  epoch: "int8[]",
  seq: "int8[]",
  at: "float8[]",
  facts: "text[]",
  status: "text[]",
  output: "text[]",
  failure: "text[]",
  ended_at: "float8[]",
} as const;

/**
 * A batch in which every transition keeps its fiber, or ends its run and does nothing else: what most other batches are. The same
 * as COMMIT does, in three statements instead of thirteen, which was more than half of what the end of a run costs the server. The
 * fence may stand in the one that writes: the run is locked before it, so nobody else adds fibers or mail that it could not see.
 */
export const FINISH: Program = {
  name: "finish_1",
  params: { lock_runs: "text[]", ...prefixed("h", HELD_PARAMS), ...prefixed("z", FINAL_PARAMS) },
  variables: { locked: "int", moved: "int[]", asked: "text[]" },
  returns: ANSWERED,
  steps: [
    lockRuns("lock_runs"),
    HOLD,
    {
      sql: `
  WITH own AS MATERIALIZED (
    SELECT g.* FROM ${rowsOf("z", FINAL_PARAMS)} JOIN flujo.fibers AS f ON f.run = g.run AND f.key = g.fiber AND ${OURS}
    ORDER BY g.run, g.fiber FOR NO KEY UPDATE OF f),
  told AS (
    INSERT INTO flujo.events (seq, run, fiber, worker, at, facts)
    SELECT nextval('flujo.event_seq'), run, fiber, worker, at, facts FROM (
      SELECT * FROM own WHERE own.facts IS NOT NULL ORDER BY own.n) AS told),
  over AS (
    UPDATE flujo.runs AS r SET status = own.status, output = own.output, failure = own.failure, ended_at = own.ended_at,
      started_at = ${STARTED_AT}
    FROM own WHERE r.id = own.run),
  gone AS (DELETE FROM flujo.fibers AS f USING own WHERE f.run = own.run),
  mail AS (DELETE FROM flujo.messages AS m USING own WHERE m.run = own.run AND ${OF_THE_ENGINE}),
  waiting AS (DELETE FROM flujo.waits AS w USING own WHERE w.run = own.run)
  SELECT 'h', h.n, true, false, h.cancel, false, NULL::text[], 0 FROM unnest(:moved, :asked) AS h (n, cancel)
  UNION ALL
  SELECT 'g', own.n::int, true, false, NULL, false, NULL, 0 FROM own`,
    },
  ],
};
