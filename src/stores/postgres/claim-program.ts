import { prefixed } from "./insert-steps.ts";
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
        SELECT f.run, f.key, f.queue, f.priority, f.ready_at FROM flujo.fibers AS f
        WHERE ${OF_LANE} AND f.priority = level.priority AND f.ready_at <= :now
        ORDER BY f.ready_at LIMIT :size FOR NO KEY UPDATE SKIP LOCKED) AS first
      ORDER BY first.ready_at, first.run, first.key LIMIT :size) AS best
    WHERE level.priority IS NOT NULL LIMIT :size)`;

/** Those of the queues in which something is due that has no turn. */
export const DUE_QUEUES: string = `${LEVELS}
  SELECT coalesce(array_agg(DISTINCT lane.queue), '{}') FROM level, lane, LATERAL (
    SELECT 1 FROM flujo.fibers AS f WHERE ${OF_LANE} AND f.priority = level.priority AND f.ready_at <= :now LIMIT 1) AS first`;

/** The lease is held for as long as the claim lasts: a sweep waits, and then sees what was claimed. */
const LEASES =
  "SELECT count(*)::int AS alive FROM (SELECT 1 FROM flujo.workers WHERE id = :worker AND epoch = :epoch FOR SHARE) AS lease";
export const LOCK_LEASE: Step = { into: "alive", sql: LEASES };

export const LEASE =
  "owner = :worker, epoch = :epoch, deliveries = f.deliveries + 1, started_at = coalesce(f.started_at, :now)";
export const UNTAKEN = "f.owner IS NULL AND f.ended IS NULL AND f.ready_at <= :now";

const TAKE: Step = {
  into: "taken",
  sql: `${DUE},
  took AS (
    UPDATE flujo.fibers AS f SET ${LEASE}
    FROM due WHERE f.run = due.run AND f.key = due.key AND :alive = 1 RETURNING f.run || '/' || f.key AS fiber)
  SELECT coalesce(array_agg(fiber), '{}') FROM took`,
};

/** Fibers written run/key, which are ours: they wait no more. */
export const STOP_AWAITING: Step = {
  when: "taken",
  sql: `
  DELETE FROM flujo.waits AS w USING unnest(:taken) AS t (fiber)
  WHERE w.run = split_part(t.fiber, '/', 1) AND w.fiber = split_part(t.fiber, '/', 2)`,
};

const COLUMNS = `run, key, parent, fork, ordinal, fingerprint, queue, lane, priority, seq, owner, epoch, ready_at, deliveries, ended,
  cancel, wait, state, value, context, aside`;

/**
 * What waits for a fiber under the names that it listens to: it comes with the claim, for a round trip of its own was a quarter of
 * what a claim took. A message that arrives after this is found when its fiber parks again.
 */
const MAIL = `(
    SELECT json_agg(json_build_array(m.seq, m.mark, m.name, m.sent_at, m.data) ORDER BY m.seq)::text
    FROM flujo.messages AS m WHERE m.run = f.run AND m.name = ANY(f.names))`;

/** Everything that a worker needs to go on. A fiber of no run is damage, and nobody's work. */
export const readRows = (keys: string, where: string): string => `
  SELECT ${COLUMNS.replaceAll(/\w+/g, "f.$&")}, r.metadata, r.parent_run, r.parent_fiber, r.reply, ${MAIL}, :now, NULL::text[]
  FROM ${keys} JOIN flujo.fibers AS f ON f.run = t.run AND f.key = t.key JOIN flujo.runs AS r ON r.id = f.run
  WHERE ${where}`;
const READ = readRows(
  "(SELECT split_part(fiber, '/', 1) AS run, split_part(fiber, '/', 2) AS key FROM unnest(:taken) AS g (fiber)) AS t",
  "TRUE",
);

const TYPES: Readonly<Record<string, string>> = {
  fork: "int8",
  ordinal: "int8",
  priority: "float8",
  seq: "int8",
  epoch: "int8",
  ready_at: "float8",
  deliveries: "int8",
};
export const CLAIMED: string = `${COLUMNS.split(/,\s*/)
  .map((column) => `${column} ${TYPES[column] ?? "text"}`)
  .join(", ")},
  metadata text, parent_run text, parent_fiber text, reply text, mail text, claimed_at float8, governed text[]`;

export const REQUEST = {
  worker: "text",
  epoch: "int8",
  queues: "text[]",
  fingerprints: "text[]",
  size: "int8",
} as const;

/** Instead of fibers, one row that names queues. */
export const orQueues = (queues: string, where: string): string => `
  UNION ALL SELECT ${COLUMNS.replaceAll(/\w+/g, (column) => `NULL::${TYPES[column] ?? "text"}`)}, NULL, NULL, NULL, NULL, NULL, NULL, ${queues}
  WHERE ${where}`;

/** Claims from free queues. If some of the queues have rules it claims nothing, and answers one row that names them. */
export const CLAIM: Program = {
  name: "claim_1",
  params: { now: "float8", ...REQUEST },
  variables: { alive: "int", ruled: "text[]", taken: "text[]" },
  returns: CLAIMED,
  steps: [
    NOW,
    {
      into: ["alive", "ruled"],
      sql: `
  SELECT held.alive, (SELECT coalesce(array_agg(queue), '{}') FROM flujo.queue_rules WHERE queue = ANY(:queues))
  FROM (${LEASES}) AS held`,
    },
    { ...TAKE, sql: TAKE.sql.replace(":alive = 1", ":alive = 1 AND cardinality(:ruled) = 0") },
    STOP_AWAITING,
    { sql: `${READ}${orQueues(":ruled", "cardinality(:ruled) > 0")}` },
  ],
};

/** What only one claim may do at a time. Whoever holds it is sure that what it sees there stays. */
export const LOCK_RULES: Program = {
  name: "lock_rules_1",
  params: { worker: "text", epoch: "int8", queues: "text[]" },
  variables: { alive: "int" },
  returns: "locked int",
  steps: [
    LOCK_LEASE,
    {
      sql: `SELECT count(*)::int FROM (
    SELECT 1 FROM flujo.queue_rules WHERE queue = ANY(:queues) ORDER BY queue FOR NO KEY UPDATE) AS locked`,
    },
  ],
};

export const QUEUE_PARAMS = { queue: "text[]", version: "int8[]", rate: "text[]", served: "text[]" } as const;
export const LANE_PARAMS = {
  queue: "text[]",
  turn: "text[]",
  state: "text[]",
  room_at: "float8[]",
  empty_at: "float8[]",
} as const;

/**
 * Takes these rows if they are still to be had, and charges for them. `q`: the governed queues that they come from. Nothing is
 * taken when others have claimed there since the look, or are about to, or from `until` on: such a claim has to look again. In a
 * governed queue each row takes a place, also those that are to stop. `l`: what the rates of lanes remember from now on.
 */
export const TAKE_THESE: Program = {
  name: "take_1",
  params: {
    ...{
      now: "float8",
      worker: "text",
      epoch: "int8",
      runs: "text[]",
      keys: "text[]",
      queues: "text[]",
      until: "float8",
    },
    ...prefixed("q", QUEUE_PARAMS),
    ...prefixed("l", LANE_PARAMS),
  },
  variables: { alive: "int", unchanged: "int", taken: "text[]" },
  returns: CLAIMED,
  steps: [
    NOW,
    LOCK_LEASE,
    {
      into: "unchanged",
      when: "q_queue",
      sql: `SELECT count(*)::int FROM (
    SELECT 1 FROM flujo.queue_rules AS q JOIN unnest(:q_queue, :q_version) AS g (queue, version)
      ON g.queue = q.queue AND g.version = q.version
    ORDER BY q.queue FOR NO KEY UPDATE OF q SKIP LOCKED) AS locked`,
    },
    {
      into: "taken",
      sql: `
  WITH took AS (
    UPDATE flujo.fibers AS f SET ${LEASE},
      turn = CASE WHEN f.queue = ANY(:q_queue) THEN f.lane END
    FROM unnest(:runs, :keys, :queues) AS t (run, key, queue)
    WHERE f.run = t.run AND f.key = t.key AND f.queue = t.queue AND ${UNTAKEN}
      AND :alive = 1 AND coalesce(:unchanged, 0) = cardinality(:q_queue) AND (:until IS NULL OR :now < :until)
      AND (f.queue = ANY(:q_queue) OR NOT EXISTS (SELECT 1 FROM flujo.queue_rules AS q WHERE q.queue = f.queue))
    RETURNING f.run || '/' || f.key AS fiber)
  SELECT coalesce(array_agg(fiber), '{}') FROM took`,
    },
    STOP_AWAITING,
    {
      when: "taken",
      sql: `
  UPDATE flujo.queue_rules AS q SET rate = g.rate, served = g.served, version = nextval('flujo.rule_versions')
  FROM unnest(:q_queue, :q_rate, :q_served) AS g (queue, rate, served) WHERE q.queue = g.queue`,
    },
    { when: "l_queue", sql: "DELETE FROM flujo.lane_rates WHERE empty_at <= :now" }, // lanes that idled for a period
    {
      when: "l_queue",
      sql: `
  INSERT INTO flujo.lane_rates (queue, turn, state, room_at, empty_at)
  SELECT queue, turn, state, room_at, empty_at
  FROM unnest(:l_queue, :l_turn, :l_state, :l_room_at, :l_empty_at) AS g (queue, turn, state, room_at, empty_at)
  WHERE cardinality(:taken) > 0
  ON CONFLICT (queue, turn) DO UPDATE SET state = excluded.state, room_at = excluded.room_at, empty_at = excluded.empty_at`,
    },
    { sql: READ },
  ],
};

/**
 * Due rows of one governed queue that no claim has seen yet get their turn. At most so many at once: 2,000 take about 30 ms. The
 * rules are kept from going away meanwhile: in a queue without rules nobody would claim a row that has a turn.
 */
export const GIVE_TURNS: Program = {
  name: "give_turns_1",
  params: { now: "float8", queues: "text[]", fingerprints: "text[]", size: "int8" },
  variables: { ruled: "text[]" },
  returns: "given int",
  steps: [
    NOW,
    {
      into: "ruled",
      sql: `SELECT coalesce(array_agg(queue), '{}') FROM (
    SELECT queue FROM flujo.queue_rules WHERE queue = ANY(:queues) ORDER BY queue FOR KEY SHARE) AS locked`,
    },
    {
      sql: `${DUE.replace(":queues", ":ruled")},
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
  returns: "run text, key text, queue text, priority float8, ready_at float8",
  steps: [NOW, { sql: `${DUE} SELECT run, key, queue, priority, ready_at FROM due` }],
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
