import { NOW, type Program, type Step } from "./program.ts";

/** Fibers of these workers become ready, in the order of locks. Into `freed`: how many. */
const handBack = (workers: string): Step => ({
  into: "freed",
  when: workers,
  sql: `
  WITH held AS (
    SELECT run, key FROM flujo.fibers WHERE owner = ANY(:${workers}) ORDER BY run, key FOR NO KEY UPDATE),
  freed AS (
    UPDATE flujo.fibers AS f SET owner = NULL, epoch = NULL, ready_at = :now FROM held
    WHERE f.run = held.run AND f.key = held.key AND f.owner = ANY(:${workers}) RETURNING 1)
  SELECT count(*)::int FROM freed`,
});

/** Epochs grow across the store, so that rows of dead workers need not be kept to remember theirs. */
export const REGISTER: Program = {
  name: "register_1",
  params: { now: "float8", worker: "text", worker_ids: "text[]", lease_ms: "float8", about: "text" },
  variables: { epoch: "int8", freed: "int" },
  returns: "epoch int8, freed int",
  steps: [
    NOW,
    {
      into: "epoch",
      sql: `
  WITH known AS (
    INSERT INTO flujo.workers AS w (id, epoch, lease_until, about)
    VALUES (:worker, nextval('flujo.epochs'), :now + :lease_ms, :about)
    ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, lease_until = excluded.lease_until, about = excluded.about
    RETURNING w.epoch)
  SELECT epoch FROM known`,
    },
    handBack("worker_ids"),
    { sql: "SELECT :epoch, coalesce(:freed, 0)" },
  ],
};

/** The epoch comes from another shard. A smaller one than the worker has changes nothing, the same one renews its lease. */
export const ADMIT: Program = {
  name: "admit_1",
  params: { now: "float8", worker: "text", epoch: "int8", lease_ms: "float8" },
  variables: { raised: "text[]", freed: "int", locked: "int" },
  returns: "freed int",
  steps: [
    NOW,
    {
      into: "locked",
      sql: `SELECT count(*)::int FROM (SELECT 1 FROM flujo.workers WHERE id = :worker FOR UPDATE) AS locked`,
    },
    {
      into: "raised",
      sql: `
  WITH before AS (SELECT epoch FROM flujo.workers WHERE id = :worker),
  known AS (
    INSERT INTO flujo.workers AS w (id, epoch, lease_until, about) VALUES (:worker, :epoch, :now + :lease_ms, 'null')
    ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, lease_until = excluded.lease_until WHERE w.epoch <= excluded.epoch
    RETURNING w.id)
  SELECT coalesce(array_agg(known.id), '{}') FROM known, before WHERE before.epoch < :epoch`,
    },
    {
      into: "locked",
      sql: `SELECT setval('flujo.epochs', greatest(nextval('flujo.epochs'), :epoch))::int`,
    },
    handBack("raised"),
    { sql: "SELECT coalesce(:freed, 0)" },
  ],
};

export const HEARTBEAT: Program = {
  name: "heartbeat_1",
  params: { now: "float8", worker: "text", epoch: "int8", lease_ms: "float8", about: "text" },
  variables: { alive: "int" },
  returns: "run text, fiber text, reason text, expiry_ms float8",
  steps: [
    NOW,
    {
      into: "alive",
      sql: `
  WITH beat AS (
    UPDATE flujo.workers SET lease_until = :now + :lease_ms, about = coalesce(:about, about)
    WHERE id = :worker AND epoch = :epoch RETURNING 1)
  SELECT count(*)::int FROM beat`,
    },
    {
      sql: `
  SELECT NULL::text, NULL::text, NULL::text, coalesce((SELECT min(lease_until) FROM flujo.workers WHERE id <> :worker), 'infinity') - :now
  WHERE :alive = 1
  UNION ALL
  SELECT run, key, cancel, NULL FROM flujo.fibers WHERE owner = :worker AND owner IS NOT NULL AND cancel IS NOT NULL AND :alive = 1`,
    },
  ],
};

/** Who beats at this moment is waited for, and found alive. */
export const SWEEP: Program = {
  name: "sweep_1",
  params: { now: "float8" },
  variables: { dead: "text[]", freed: "int" },
  returns: "dead text[], freed int",
  steps: [
    NOW,
    {
      into: "dead",
      sql: `
  WITH gone AS (DELETE FROM flujo.workers WHERE lease_until <= :now RETURNING id)
  SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM gone`,
    },
    handBack("dead"),
    { sql: "SELECT :dead, coalesce(:freed, 0)" },
  ],
};

/**
 * `only`: these; `except`: all but these; neither: all. Fibers are written run/key, and neither part holds a slash. Without `only`
 * the worker's row is locked (`all_of` names it): a claim or a birth for it under way is waited for, and given back with the rest.
 */
export const RELEASE: Program = {
  name: "release_1",
  params: {
    now: "float8",
    worker: "text",
    epoch: "int8",
    all_of: "text[]",
    only_run: "text[]",
    only_key: "text[]",
    kept: "text[]",
  },
  variables: { locked: "int" },
  returns: "freed int",
  steps: [
    NOW,
    {
      into: "locked",
      when: "all_of",
      sql: `SELECT count(*)::int FROM (
    SELECT 1 FROM flujo.workers WHERE id = ANY(:all_of) ORDER BY id FOR NO KEY UPDATE) AS locked`,
    },
    {
      sql: `
  WITH held AS (
    SELECT run, key FROM flujo.fibers
    WHERE owner = :worker AND epoch = :epoch
      AND (:only_run IS NULL OR (run, key) IN (SELECT * FROM unnest(:only_run, :only_key)))
      AND run || '/' || key <> ALL(:kept)
    ORDER BY run, key FOR NO KEY UPDATE),
  freed AS (
    UPDATE flujo.fibers AS f SET owner = NULL, epoch = NULL, ready_at = :now, deliveries = greatest(0, f.deliveries - 1)
    FROM held WHERE f.run = held.run AND f.key = held.key RETURNING 1)
  SELECT count(*)::int FROM freed`,
    },
  ],
};
