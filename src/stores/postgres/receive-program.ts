import { ANSWERED, HELD_PARAMS, HOLD, LIST_PARAMS, moveHeld, OURS } from "./commit-program.ts";
import { lockRuns, prefixed, rowsOf } from "./insert-steps.ts";
import type { Program } from "./program.ts";

const CONSUMED = "unnest(:c_i, :c_run, :c_seq) AS c (i, run, seq)";

/**
 * A batch in which every transition keeps its fiber and does nothing else, or only takes messages besides: how a fiber goes on that
 * was signalled. The same as COMMIT does, in three statements instead of nine, which was half of what it costs the server. The lock
 * on its run keeps a mailbox as it is: what is there when the last statement begins is there for it to take.
 */
export const RECEIVE: Program = {
  name: "receive_1",
  params: {
    lock_runs: "text[]",
    ...prefixed("h", HELD_PARAMS),
    ...prefixed("t", HELD_PARAMS),
    ...prefixed("c", LIST_PARAMS.c),
  },
  variables: { locked: "int", moved: "int[]", asked: "text[]" },
  returns: ANSWERED,
  steps: [
    lockRuns("lock_runs"),
    HOLD,
    {
      sql: `
  WITH missing AS MATERIALIZED (
    SELECT c.i FROM ${CONSUMED}
    WHERE NOT EXISTS (SELECT 1 FROM flujo.messages AS m WHERE m.run = c.run AND m.seq = c.seq)),
  ${moveHeld("t", " AND g.n <> ALL(ARRAY(SELECT missing.i FROM missing))")},
  taken AS (
    DELETE FROM flujo.messages AS m USING ${CONSUMED}
    WHERE c.i = ANY(ARRAY(SELECT moved.n::int FROM moved)) AND m.run = c.run AND m.seq = c.seq)
  SELECT 'h', h.n, true, false, h.cancel, false, NULL::text[], 0 FROM unnest(:moved, :asked) AS h (n, cancel)
  UNION ALL
  SELECT 'g', moved.n::int, true, false, moved.cancel, false, NULL, 0 FROM moved
  UNION ALL
  SELECT 'g', g.n::int, false, false, NULL, false, NULL, 0
  FROM ${rowsOf("t", HELD_PARAMS)} JOIN flujo.fibers AS f ON f.run = g.run AND f.key = g.fiber AND ${OURS}
  WHERE g.n = ANY(ARRAY(SELECT missing.i FROM missing))`,
    },
  ],
};
