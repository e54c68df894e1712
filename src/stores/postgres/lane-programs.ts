import type { Program } from "./program.ts";
import { IN_PLACE, IN_TURN } from "./schema.ts";

/*
 * Lanes are found by a loose scan: one seek for each lane that waits. Those that are full, or whose rate is used up, are passed
 * over inside the statement; how full they are is counted from the leased rows, of which there are never more than the workers
 * hold. The scan begins behind the lane that was served last and ends when the claim is filled. Each LIMIT 1 below keeps the
 * planner from making a join of it, which may take lanes out of their order (an EXISTS did, once there were statistics).
 */

const inTurn = IN_TURN.replaceAll(/\b(owner|turn|cancel)\b/g, "f.$1");
const inPlace = IN_PLACE.replaceAll(/\b(owner|turn)\b/g, "f.$1");

/** Lanes after `after` and up to \`upto\`, where given; \`places\` of a lane, if limited; \`at\`: whose rate has room by then. */
export const OPEN_LANES: Program = {
  name: "open_lanes_1",
  params: {
    queue: "text",
    fingerprints: "text[]",
    after: "text",
    upto: "text",
    places: "int8",
    at: "float8",
    size: "int8",
  },
  returns: "turn text, leased int8, state text",
  steps: [
    {
      sql: `
  WITH RECURSIVE held AS MATERIALIZED (
    SELECT f.turn, count(*) AS leased FROM flujo.fibers AS f
    WHERE ${inPlace} AND f.queue = :queue AND :places IS NOT NULL GROUP BY f.turn),
  full_lane AS MATERIALIZED (SELECT coalesce(array_agg(h.turn), '{}') AS turns FROM held AS h WHERE h.leased >= :places),
  waiting (turn) AS (
    SELECT (SELECT min(f.turn) FROM flujo.fibers AS f WHERE ${inTurn} AND f.queue = :queue AND (:after IS NULL OR f.turn > :after))
    UNION ALL
    SELECT (SELECT min(f.turn) FROM flujo.fibers AS f WHERE ${inTurn} AND f.queue = :queue AND f.turn > w.turn)
    FROM waiting AS w WHERE w.turn IS NOT NULL AND (:upto IS NULL OR w.turn < :upto))
  SELECT w.turn, coalesce((SELECT h.leased FROM held AS h WHERE h.turn = w.turn), 0), r.state
  FROM waiting AS w LEFT JOIN LATERAL (
    SELECT l.state, l.room_at FROM flujo.lane_rates AS l WHERE l.queue = :queue AND l.turn = w.turn LIMIT 1) AS r ON TRUE
  WHERE w.turn IS NOT NULL AND (:upto IS NULL OR w.turn <= :upto) AND coalesce(r.room_at, 0) <= :at
    AND w.turn <> ALL (SELECT unnest(x.turns) FROM full_lane AS x)
    AND (SELECT TRUE FROM unnest(:fingerprints) AS p (fingerprint), flujo.fibers AS f
      WHERE ${inTurn} AND f.queue = :queue AND f.turn = w.turn AND f.fingerprint = p.fingerprint LIMIT 1)
  LIMIT :size`,
    },
  ],
};

/** How many rows wait in these lanes, as far as \`size\`. */
export const CLAIMABLE: Program = {
  name: "claimable_1",
  params: { queue: "text", fingerprints: "text[]", turns: "text[]", size: "int8" },
  returns: "turn text, waiting int8",
  steps: [
    {
      sql: `
  SELECT t.turn, (SELECT count(*) FROM (
    SELECT 1 FROM unnest(:fingerprints) AS p (fingerprint), flujo.fibers AS f
    WHERE ${inTurn} AND f.queue = :queue AND f.turn = t.turn AND f.fingerprint = p.fingerprint LIMIT :size) AS rows)
  FROM unnest(:turns) AS t (turn)`,
    },
  ],
};

/** The best rows of each of these lanes, as many as were admitted. */
export const BEST_OF_LANES: Program = {
  name: "best_of_lanes_1",
  params: { queue: "text", fingerprints: "text[]", turns: "text[]", counts: "int8[]" },
  returns: "turn text, run text, key text, priority float8, ready_at float8",
  steps: [
    {
      sql: `
  SELECT t.turn, best.* FROM unnest(:turns, :counts) AS t (turn, many), LATERAL (
    SELECT first.* FROM unnest(:fingerprints) AS p (fingerprint), LATERAL (
      SELECT f.run, f.key, f.priority, f.ready_at FROM flujo.fibers AS f
      WHERE ${inTurn} AND f.queue = :queue AND f.turn = t.turn AND f.fingerprint = p.fingerprint
      ORDER BY f.priority DESC, f.ready_at LIMIT t.many) AS first
    ORDER BY first.priority DESC, first.ready_at, first.run, first.key LIMIT t.many) AS best`,
    },
  ],
};

export const LEASED: Program = {
  name: "leased_1",
  params: { queue: "text" },
  returns: "leased int8",
  steps: [{ sql: `SELECT count(*) FROM flujo.fibers AS f WHERE ${inPlace} AND f.queue = :queue` }],
};
