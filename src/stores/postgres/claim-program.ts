import { NOW, type Program, type Step } from "./program.ts";
import { READY } from "./schema.ts";

/*
 * Claim reads the partial index `fibers_ready` (queue, fingerprint, priority DESC, ready_at) and nothing else until it knows
 * which rows it takes. It jumps from one priority to the next lower one, and within a priority it reads due rows only, each
 * queue and definition on its own. So neither parked fibers (not in the index), nor future timers (behind the due ones of their
 * priority), nor the work of other definitions cost anything. What others are claiming is passed over (SKIP LOCKED).
 */

const OF_LANE = `${READY.replaceAll(/\b(owner|ready_at|turn|cancel)\b/g, "f.$1")} AND f.queue = lane.queue AND f.fingerprint = lane.fingerprint`;

const LEVELS = `
  WITH RECURSIVE lane AS (
    SELECT DISTINCT q.queue, p.fingerprint FROM unnest(:queues) AS q (queue), unnest(:fingerprints) AS p (fingerprint)),
  level (priority) AS (
    SELECT max(top.priority) FROM lane, LATERAL (
      SELECT f.priority FROM flujo.fibers AS f WHERE ${OF_LANE} ORDER BY f.priority DESC LIMIT 1) AS top
    UNION ALL
    SELECT (SELECT max(below.priority) FROM lane, LATERAL (
      SELECT f.priority FROM flujo.fibers AS f WHERE ${OF_LANE} AND f.priority < level.priority ORDER BY f.priority DESC LIMIT 1) AS below)
    FROM level WHERE level.priority IS NOT NULL)`;

/** The first due rows of the free queues, best first and locked. */
export const DUE: string = `${LEVELS},
  due AS (
    SELECT best.* FROM level, LATERAL (
      SELECT first.* FROM lane, LATERAL (
        SELECT f.run, f.key, f.priority, f.ready_at FROM flujo.fibers AS f
        WHERE ${OF_LANE} AND f.priority = level.priority AND f.ready_at <= :now
        ORDER BY f.ready_at LIMIT :size FOR NO KEY UPDATE SKIP LOCKED) AS first
      ORDER BY first.ready_at, first.run, first.key LIMIT :size) AS best
    WHERE level.priority IS NOT NULL LIMIT :size)`;

/** The lease is held for as long as the claim lasts: a sweep waits, and then sees what was claimed. */
export const LOCK_LEASE: Step = {
  into: "alive",
  sql: `SELECT count(*)::int FROM (SELECT 1 FROM flujo.workers WHERE id = :worker AND epoch = :epoch FOR SHARE) AS lease`,
};

const TAKE: Step = {
  into: "taken",
  sql: `${DUE},
  took AS (
    UPDATE flujo.fibers AS f SET owner = :worker, epoch = :epoch, deliveries = f.deliveries + 1, started_at = coalesce(f.started_at, :now)
    FROM due WHERE f.run = due.run AND f.key = due.key AND :alive = 1 RETURNING f.run || '/' || f.key AS fiber)
  SELECT coalesce(array_agg(fiber), '{}') FROM took`,
};

/** Fibers written run/key, which are ours: they wait no more. */
const STOP_AWAITING: Step = {
  when: "taken",
  sql: `
  DELETE FROM flujo.waits AS w USING unnest(:taken) AS t (fiber)
  WHERE w.run = split_part(t.fiber, '/', 1) AND w.fiber = split_part(t.fiber, '/', 2)`,
};

const COLUMNS = `run, key, parent, fork, ordinal, fingerprint, queue, lane, priority, seq, owner, epoch, ready_at, deliveries, ended,
  cancel, names, wait, state, value, context, aside`;

/** Everything that a worker needs to go on. A fiber of no run is damage, and nobody's work. */
const READ: Step = {
  sql: `
  SELECT ${COLUMNS.replaceAll(/\w+/g, "f.$&")}, r.metadata, r.parent_run, r.parent_fiber, r.reply, :now, NULL::text[]
  FROM unnest(:taken) AS t (fiber)
    JOIN flujo.fibers AS f ON f.run = split_part(t.fiber, '/', 1) AND f.key = split_part(t.fiber, '/', 2)
    JOIN flujo.runs AS r ON r.id = f.run
  ORDER BY f.priority DESC, f.ready_at, f.run, f.key`,
};

const TYPES: Readonly<Record<string, string>> = {
  fork: "int8",
  ordinal: "int8",
  priority: "float8",
  seq: "int8",
  epoch: "int8",
  ready_at: "float8",
  deliveries: "int8",
};
const RETURNS = `${COLUMNS.split(/,\s*/)
  .map((column) => `${column} ${TYPES[column] ?? "text"}`)
  .join(", ")}, metadata text, parent_run text, parent_fiber text, reply text, claimed_at float8, governed text[]`;

const REQUEST = { worker: "text", epoch: "int8", queues: "text[]", fingerprints: "text[]", size: "int8" } as const;

/** Claims from free queues. If some of the queues have rules it claims nothing, and answers one row that names them. */
export const CLAIM: Program = {
  name: "claim_1",
  params: { now: "float8", ...REQUEST },
  variables: { alive: "int", ruled: "text[]", taken: "text[]" },
  returns: RETURNS,
  steps: [
    NOW,
    {
      into: "ruled",
      sql: `SELECT coalesce(array_agg(queue), '{}') FROM flujo.queue_rules WHERE queue = ANY(:queues)`,
    },
    LOCK_LEASE,
    { ...TAKE, sql: TAKE.sql.replace(":alive = 1", ":alive = 1 AND cardinality(:ruled) = 0") },
    STOP_AWAITING,
    {
      sql: `${READ.sql.replace(/\n {2}ORDER BY.*/, "")}
  UNION ALL SELECT ${COLUMNS.replaceAll(/\w+/g, (column) => `NULL::${TYPES[column] ?? "text"}`)}, NULL, NULL, NULL, NULL, NULL, :ruled
  WHERE cardinality(:ruled) > 0`,
    },
  ],
};

/** Takes these rows if they are still to be had. In a governed queue each takes a place, also those that are to stop. */
export const TAKE_THESE: Program = {
  name: "take_1",
  params: { now: "float8", worker: "text", epoch: "int8", runs: "text[]", keys: "text[]" },
  variables: { taken: "text[]" },
  returns: RETURNS,
  steps: [
    NOW,
    {
      into: "taken",
      sql: `
  WITH took AS (
    UPDATE flujo.fibers AS f SET owner = :worker, epoch = :epoch, deliveries = f.deliveries + 1, started_at = coalesce(f.started_at, :now),
      turn = CASE WHEN EXISTS (SELECT 1 FROM flujo.queue_rules AS q WHERE q.queue = f.queue) THEN f.lane END
    FROM unnest(:runs, :keys) AS t (run, key)
    WHERE f.run = t.run AND f.key = t.key AND f.owner IS NULL AND f.ended IS NULL AND f.ready_at <= :now
    RETURNING f.run || '/' || f.key AS fiber)
  SELECT coalesce(array_agg(fiber), '{}') FROM took`,
    },
    STOP_AWAITING,
    READ,
  ],
};

/** Due rows of one governed queue that no claim has seen yet get their turn. At most so many at once: 2,000 take about 30 ms. */
export const GIVE_TURNS: Program = {
  name: "give_turns_1",
  params: { now: "float8", queues: "text[]", fingerprints: "text[]", size: "int8" },
  returns: "given int",
  steps: [
    {
      sql: `${DUE},
  given AS (
    UPDATE flujo.fibers AS f SET turn = f.lane FROM due
    WHERE f.run = due.run AND f.key = due.key AND f.cancel IS NULL RETURNING 1)
  SELECT count(*)::int FROM given`,
    },
  ],
};

/** Due rows of free queues, or those of governed queues that were asked to stop: best first, locked, not taken yet. */
export const OFFER: Program = {
  name: "offer_1",
  params: { now: "float8", queues: "text[]", fingerprints: "text[]", size: "int8" },
  returns: "run text, key text, priority float8, ready_at float8",
  steps: [{ sql: `${DUE} SELECT run, key, priority, ready_at FROM due` }],
};

const nextOf = (queues: string, columns: string): string => `${LEVELS.replace(":queues", `:${queues}`)}
  SELECT min(first.ready_at)${columns} FROM level, lane, LATERAL (
    SELECT f.ready_at FROM flujo.fibers AS f WHERE ${OF_LANE} AND f.priority = level.priority ORDER BY f.ready_at LIMIT 1) AS first
  WHERE level.priority IS NOT NULL`;

/** The earliest row of the free queues, and which of the queues have rules: what an idle worker asks is one question. */
export const NEXT_DUE: Program = {
  name: "next_due_1",
  params: { queues: "text[]", fingerprints: "text[]" },
  variables: { free: "text[]", ruled: "text[]" },
  returns: "ready_at float8, ruled text[]",
  steps: [
    {
      into: ["free", "ruled"],
      sql: `
  SELECT coalesce(array_agg(g.queue) FILTER (WHERE q.queue IS NULL), '{}'), coalesce(array_agg(g.queue) FILTER (WHERE q.queue IS NOT NULL), '{}')
  FROM unnest(:queues) AS g (queue) LEFT JOIN flujo.queue_rules AS q ON q.queue = g.queue`,
    },
    { sql: nextOf("free", ", :ruled") },
  ],
};

/** The earliest row that has no turn, of queues with rules or without. */
export const NEXT_UNSEEN: Program = {
  name: "next_unseen_1",
  params: { queues: "text[]", fingerprints: "text[]" },
  returns: "ready_at float8",
  steps: [{ sql: nextOf("queues", "") }],
};

/** What waits in these mailboxes under these names. A message that arrives after this is found when its fiber parks again. */
export const MAIL: Program = {
  name: "mail_1",
  params: { runs: "text[]", names: "text[]" },
  returns: "seq int8, run text, mark text, name text, sent_at float8, data text",
  steps: [
    {
      sql: `
  SELECT m.seq, m.run, m.mark, m.name, m.sent_at, m.data
  FROM (SELECT DISTINCT g.run, g.name FROM unnest(:runs, :names) AS g (run, name)) AS w
    JOIN flujo.messages AS m ON m.run = w.run AND m.name = w.name
  ORDER BY m.seq`,
    },
  ],
};
