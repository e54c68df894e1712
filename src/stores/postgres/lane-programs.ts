import {
  CLAIMED,
  DUE_QUEUES,
  LEASE,
  LOCK_LEASE,
  orQueues,
  readRows,
  REQUEST,
  STOP_AWAITING,
  UNTAKEN,
} from "./claim-program.ts";
import { NOW, type Program } from "./program.ts";
import { IN_PLACE, IN_TURN } from "./schema.ts";

/*
 * Lanes are found by a loose scan: one seek for each lane that waits. Those that are full, or whose rate is used up, are passed
 * over inside the statement; how full they are is counted from the leased rows, of which there are never more than the workers
 * hold. The scan begins behind the lane that was served last and ends when the claim is filled. Each LIMIT 1 below keeps the
 * planner from making a join of it, which may take lanes out of their order (an EXISTS did, once there were statistics).
 *
 * The scan begins with a bound that is always there: "IS NULL OR f.turn >" was a filter, and each claim read every row from the
 * first lane on. Nor does it ask for min(): without statistics that read every row behind the bound.
 */

const inTurn = IN_TURN.replaceAll(/\b(owner|turn|cancel)\b/g, "f.$1");
const inPlace = IN_PLACE.replaceAll(/\b(owner|turn)\b/g, "f.$1");

/** Rates alone need no count of what is leased. The name of a queue has no quotes, so nothing else in the rules reads like this. */
const COUNTS = `strpos(q.rules, '"concurrency"') > 0`;

const half = (where: string): string => `
      SELECT f.turn, f.run, f.key, f.priority, f.ready_at, f.fingerprint FROM flujo.fibers AS f
      WHERE ${inTurn} AND f.queue = q.queue AND ${where}
      ORDER BY f.turn, f.fingerprint, f.priority DESC, f.ready_at LIMIT :size`;
/** The first rows of a queue `q` in turn, from the lane after the one that was served last. */
const FIRST_IN_TURN = `(
    (${half("f.turn > q.served")})
    UNION ALL
    (${half("f.turn <= q.served")})
    LIMIT :size)`;

/**
 * What a claim has to know of the governed queues among these, in one look: their rules, how many are leased, and the first
 * rows in turn, from the lane after the one that was served last and round to it. A row of rules has no `run`, the others have
 * no `rules`. Where many keys have a row or two, those are all that a claim needs; the lanes of longer ones are found by the
 * loose scan below. `due`: queues, with rules or without, in which something is due that
 * has no turn. Rows of other definitions are answered too, as not `mine`: passing over them might take for ever.
 */
export const LOOK: Program = {
  name: "look_1",
  params: { now: "float8", queues: "text[]", fingerprints: "text[]", size: "int8" },
  variables: { due: "text[]" },
  returns: `queue text, rules text, rate text, served text, version int8, due text[], looked_at float8, leased int, turn text, run text, key text,
    priority float8, ready_at float8, mine boolean`,
  steps: [
    NOW,
    { into: "due", sql: DUE_QUEUES },
    {
      sql: `
  SELECT q.queue, q.rules, q.rate, q.served, q.version, :due, :now, CASE WHEN ${COUNTS} THEN (
      SELECT count(*)::int FROM flujo.fibers AS f WHERE ${inPlace} AND f.queue = q.queue) ELSE 0 END,
    NULL::text, NULL::text, NULL::text, NULL::float8, NULL::float8, NULL::boolean
  FROM flujo.queue_rules AS q WHERE q.queue = ANY(:queues)
  UNION ALL
  SELECT q.queue, NULL, (SELECT l.state FROM flujo.lane_rates AS l WHERE l.queue = q.queue AND l.turn = p.turn), NULL, NULL, NULL, NULL,
    CASE WHEN ${COUNTS} THEN (
      SELECT count(*)::int FROM flujo.fibers AS f WHERE ${inPlace} AND f.queue = q.queue AND f.turn = p.turn) ELSE 0 END,
    p.turn, p.run, p.key, p.priority, p.ready_at, p.fingerprint = ANY(:fingerprints)
  FROM flujo.queue_rules AS q, LATERAL ${FIRST_IN_TURN} AS p
  WHERE q.queue = ANY(:queues)`,
    },
  ],
};

/**
 * What most claims come to where keys are many, in one call: one row of each of the first lanes in turn. Nothing is decided here.
 * Whoever calls knows the rules, and has asked the port how much may be leased in the queue, and in a lane, for all of that to be
 * admitted: `calm` after this claim, `lane_calm` before it. If there is more, if the rules are no longer these, if another of
 * the queues has rules or something that is due and has no turn, or if a lane has two rows among the first: then nothing is
 * taken, and the answer is one row that says so. `size`: one more than are taken.
 */
export const CLAIM_IN_TURN: Program = {
  name: "claim_in_turn_1",
  params: { now: "float8", ...REQUEST, queue: "text", rules: "text", calm: "int8", lane_calm: "int8" },
  variables: {
    ...{ alive: "int", known: "int", due: "text[]", taken: "text[]" },
    ...{ runs: "text[]", keys: "text[]", last: "text", plain: "int" },
  },
  returns: CLAIMED,
  steps: [
    NOW,
    LOCK_LEASE,
    {
      into: "known",
      sql: `SELECT count(*)::int FROM (SELECT 1 FROM flujo.queue_rules WHERE queue = :queue AND rules = :rules FOR NO KEY UPDATE) AS locked`,
    },
    { into: "due", sql: DUE_QUEUES },
    {
      into: ["runs", "keys", "last", "plain"],
      sql: `
  WITH page AS MATERIALIZED (
    SELECT p.*, row_number() OVER () AS n FROM flujo.queue_rules AS q, LATERAL ${FIRST_IN_TURN} AS p WHERE q.queue = :queue),
  first AS (
    SELECT page.*, :lane_calm IS NULL OR :lane_calm >= (
      SELECT count(*) FROM flujo.fibers AS f WHERE ${inPlace} AND f.queue = :queue AND f.turn = page.turn) AS calm FROM page)
  SELECT coalesce(array_agg(run ORDER BY n) FILTER (WHERE n < :size), '{}'), coalesce(array_agg(key ORDER BY n) FILTER (WHERE n < :size), '{}'),
    (array_agg(turn ORDER BY n DESC) FILTER (WHERE n < :size))[1],
    CASE WHEN :alive = 1 AND :known = 1 AND cardinality(:due) = 0 AND count(*) = count(DISTINCT turn)
      AND coalesce(bool_and(calm AND fingerprint = ANY(:fingerprints)), true)
      AND (:calm IS NULL OR :calm >= least(count(*), :size - 1) + (
        SELECT count(*) FROM flujo.fibers AS f WHERE ${inPlace} AND f.queue = :queue))
      AND NOT EXISTS (SELECT 1 FROM flujo.queue_rules AS q WHERE q.queue = ANY(:queues) AND q.queue <> :queue) THEN 1 ELSE 0 END
  FROM first`,
    },
    {
      into: "taken",
      sql: `
  WITH took AS (
    UPDATE flujo.fibers AS f SET ${LEASE}, turn = f.lane FROM unnest(:runs, :keys) AS t (run, key)
    WHERE f.run = t.run AND f.key = t.key AND f.queue = :queue AND ${UNTAKEN} AND :plain = 1 RETURNING f.run || '/' || f.key AS fiber)
  SELECT coalesce(array_agg(fiber), '{}') FROM took`,
    },
    STOP_AWAITING,
    {
      when: "taken",
      sql: "UPDATE flujo.queue_rules SET served = :last, version = nextval('flujo.rule_versions') WHERE queue = :queue",
    },
    {
      sql: `(${readRows("unnest(:runs, :keys) WITH ORDINALITY AS t (run, key, n)", "t.run || '/' || t.key = ANY(:taken) ORDER BY t.n")})
  ${orQueues("ARRAY[:queue]", ":plain = 0")}`,
    },
  ],
};

/** Lanes from `from` on and up to `upto`, where given; `places` of a lane, if limited; `at`: whose rate has room by then. */
export const OPEN_LANES: Program = {
  name: "open_lanes_1",
  params: {
    queue: "text",
    fingerprints: "text[]",
    from: "text",
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
    SELECT (SELECT f.turn FROM flujo.fibers AS f WHERE ${inTurn} AND f.queue = :queue AND f.turn >= :from ORDER BY f.turn LIMIT 1)
    UNION ALL
    SELECT (SELECT f.turn FROM flujo.fibers AS f WHERE ${inTurn} AND f.queue = :queue AND f.turn > w.turn ORDER BY f.turn LIMIT 1)
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

/** How many rows wait in these lanes, as far as `size`. */
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
