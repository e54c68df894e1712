import type { Step } from "./program.ts";

/*
 * Steps that several programs share. Each takes arrays whose names begin with a prefix, and `owner`: an array of numbers of
 * which only the rows that name one of them in their column `i` are written.
 */

export const RUN_PARAMS = {
  i: "int[]",
  id: "text[]",
  flow: "text[]",
  version: "text[]",
  fingerprint: "text[]",
  parent_run: "text[]",
  parent_fiber: "text[]",
  reply: "text[]",
  created_at: "float8[]",
  metadata: "text[]",
  input: "text[]",
  queue: "text[]",
  worker: "text[]",
  epoch: "int8[]",
} as const;

export const FIBER_PARAMS = {
  i: "int[]",
  run: "text[]",
  key: "text[]",
  parent: "text[]",
  fork: "int8[]",
  ordinal: "int8[]",
  queue: "text[]",
  lane: "text[]",
  priority: "float8[]",
  worker: "text[]",
  epoch: "int8[]",
  ready_at: "float8[]",
  ended: "text[]",
  state: "text[]",
  value: "text[]",
  context: "text[]",
  aside: "text[]",
} as const;

export const EVENT_PARAMS = {
  i: "int[]",
  run: "text[]",
  fiber: "text[]",
  worker: "text[]",
  at: "float8[]",
  facts: "text[]",
} as const;
export const PAIR_PARAMS = { i: "int[]", pair: "text[]", created_at: "float8[]", run: "text[]" } as const;
export const MESSAGE_PARAMS = {
  i: "int[]",
  run: "text[]",
  mark: "text[]",
  name: "text[]",
  sent_at: "float8[]",
  data: "text[]",
} as const;
export const BLOB_PARAMS = { i: "int[]", run: "text[]", hash: "text[]", text: "text[]" } as const;

export type ParamTypes = Readonly<Record<string, string>>;

export const prefixed = (prefix: string, params: ParamTypes): ParamTypes =>
  Object.fromEntries(Object.entries(params).map(([name, type]) => [`${prefix}_${name}`, type]));

/** Rows of the arrays of a prefix, numbered from 1 as `n`. */
const rowsOf = (prefix: string, params: ParamTypes): string => {
  const names = Object.keys(params);
  return `unnest(${names.map((name) => `:${prefix}_${name}`).join(", ")}) WITH ORDINALITY AS g (${names.join(", ")}, n)`;
};

/**
 * Shares the rows of workers to whom something is about to be leased. A sweep deletes such a row before it takes their fibers
 * back: without the lock it could miss a fiber that is being born, which then nobody would ever take back.
 */
export const lockWorkers = (array: string): Step => ({
  into: "locked",
  when: array,
  sql: `SELECT count(*)::int FROM (
    SELECT 1 FROM flujo.workers WHERE id = ANY(:${array}) ORDER BY id FOR SHARE) AS locked`,
});

/**
 * Keeps the rules of queues from going away while something is put into these queues: a row that gets a turn as the rules go is
 * claimed by nobody, since a queue without rules has no turns. Claims wait for none of this, nor this for claims.
 */
export const lockQueues = (array: string): Step => ({
  into: "locked",
  when: array,
  sql: `SELECT count(*)::int FROM (
    SELECT 1 FROM flujo.queue_rules WHERE queue = ANY(:${array}) ORDER BY queue FOR KEY SHARE) AS locked`,
});

/** Runs in the order of their ids: who locks several never waits in a circle. */
export const lockRuns = (array: string): Step => ({
  into: "locked",
  when: array,
  sql: `SELECT count(*)::int FROM (
    SELECT 1 FROM flujo.runs WHERE id = ANY(:${array}) ORDER BY id FOR NO KEY UPDATE) AS locked`,
});

/**
 * Into `created`: numbers of the runs that are new; into `leased`: of those, who is born leased. What the INSERT answers and what
 * it was given are matched by grouping: a search for each id took longer with each other id.
 */
export const insertRuns = (prefix: string, owner: string): Step => ({
  into: ["created", "leased"],
  when: `${prefix}_id`,
  sql: `
  WITH made AS (
    INSERT INTO flujo.runs (id, flow, version, fingerprint, status, parent_run, parent_fiber, reply, created_at, started_at, metadata, input)
    SELECT g.id, g.flow, g.version, g.fingerprint, 'open', g.parent_run, g.parent_fiber, g.reply, g.created_at,
      CASE WHEN w.id IS NOT NULL THEN :now END, g.metadata, g.input
    FROM ${rowsOf(prefix, RUN_PARAMS)} LEFT JOIN flujo.workers AS w ON w.id = g.worker AND w.epoch = g.epoch
      AND NOT EXISTS (SELECT 1 FROM flujo.queue_rules AS q WHERE q.queue = g.queue)
    WHERE g.i = ANY(:${owner}) ORDER BY g.id
    ON CONFLICT (id) DO NOTHING RETURNING id, started_at IS NOT NULL AS leased),
  born AS (
    SELECT min(x.n)::int AS n, bool_or(x.leased) AS leased FROM (
      SELECT g.id, g.n, NULL AS leased FROM unnest(:${prefix}_id) WITH ORDINALITY AS g (id, n) UNION ALL SELECT made.id, NULL, made.leased FROM made) AS x
    GROUP BY x.id HAVING count(x.leased) > 0)
  SELECT coalesce(array_agg(n ORDER BY n), '{}'), coalesce(array_agg(n) FILTER (WHERE leased), '{}') FROM born`,
});

/**
 * A key that exists is left alone. A fiber is born leased if its worker is current and its queue has no rules; instead of that
 * it is due now in a queue with rules. Written in their order: of those that are equally urgent claims then find the first one
 * first, where a hash join had mixed them. Into `queued`: new ones that have their turn there, written run/key.
 */
export const insertFibers = (prefix: string, owner: string): Step => ({
  into: "queued",
  when: `${prefix}_key`,
  sql: `
  WITH made AS (INSERT INTO flujo.fibers (run, key, parent, fork, ordinal, fingerprint, queue, lane, turn, priority, seq, owner, epoch, ready_at,
    started_at, deliveries, ended, state, value, context, aside)
  SELECT g.run, g.key, g.parent, g.fork, g.ordinal, r.fingerprint, g.queue, g.lane,
    CASE WHEN q.queue IS NOT NULL AND g.ended IS NULL AND (g.worker IS NOT NULL OR g.ready_at <= :now) THEN g.lane END, g.priority, 0, w.id, w.epoch,
    CASE WHEN g.ended IS NOT NULL THEN NULL WHEN g.worker IS NOT NULL AND q.queue IS NOT NULL THEN :now ELSE g.ready_at END,
    CASE WHEN w.id IS NOT NULL THEN :now END, 0, g.ended, g.state, g.value, g.context, g.aside
  FROM ${rowsOf(prefix, FIBER_PARAMS)} JOIN flujo.runs AS r ON r.id = g.run
    LEFT JOIN flujo.queue_rules AS q ON q.queue = g.queue
    LEFT JOIN flujo.workers AS w ON w.id = g.worker AND w.epoch = g.epoch AND q.queue IS NULL
  WHERE g.i = ANY(:${owner}) ORDER BY g.n
  ON CONFLICT (run, key) DO NOTHING RETURNING run, key, turn)
  SELECT coalesce(array_agg(run || '/' || key), '{}') FROM made WHERE turn IS NOT NULL`,
});

export const insertEvents = (prefix: string, owner: string): Step => ({
  when: `${prefix}_i`,
  sql: `
  INSERT INTO flujo.events (seq, run, fiber, worker, at, facts)
  SELECT nextval('flujo.event_seq'), run, fiber, worker, at, facts FROM (
    SELECT g.* FROM ${rowsOf(prefix, EVENT_PARAMS)} WHERE g.i = ANY(:${owner}) ORDER BY g.n) AS told`,
});

export const insertPairs = (prefix: string, owner: string): Step => ({
  when: `${prefix}_i`,
  sql: `
  INSERT INTO flujo.run_metadata (pair, created_at, run)
  SELECT md5(g.pair)::uuid, g.created_at, g.run FROM ${rowsOf(prefix, PAIR_PARAMS)} WHERE g.i = ANY(:${owner})
  ON CONFLICT DO NOTHING`,
});

/**
 * Mail for runs whose rows are locked. Into `taken`: numbers of the messages that were new to a run that has not ended; those
 * go into the mailbox and wake who waits for their names: so many more, in `woke`.
 */
export const deliver = (prefix: string, owner: string, taken: string): readonly Step[] => [
  {
    into: taken,
    when: `${prefix}_i`,
    sql: `
  WITH open AS (
    SELECT g.n, g.run, g.mark FROM ${rowsOf(prefix, MESSAGE_PARAMS)} JOIN flujo.runs AS r ON r.id = g.run AND r.ended_at IS NULL
    WHERE g.i = ANY(:${owner})),
  marked AS (
    INSERT INTO flujo.message_ids (run, mark) SELECT run, mark FROM open WHERE mark IS NOT NULL GROUP BY run, mark ORDER BY run, mark
    ON CONFLICT DO NOTHING RETURNING run, mark)
  SELECT coalesce(array_agg(new.n::int), '{}') FROM (
    SELECT n FROM open WHERE mark IS NULL
    UNION ALL SELECT min(o.n) FROM open AS o JOIN marked AS m ON m.run = o.run AND m.mark = o.mark GROUP BY o.run, o.mark) AS new`,
  },
  {
    into: "woke",
    when: taken,
    sql: `
  WITH sent AS (INSERT INTO flujo.messages (seq, run, mark, name, sent_at, data)
  SELECT nextval('flujo.message_seq'), run, mark, name, sent_at, data FROM (
    SELECT g.* FROM ${rowsOf(prefix, MESSAGE_PARAMS)} WHERE g.n = ANY(:${taken}) ORDER BY g.n) AS fresh),
  woken AS (UPDATE flujo.fibers AS f SET ready_at = :now
  FROM (SELECT DISTINCT w.run, w.fiber FROM ${rowsOf(prefix, MESSAGE_PARAMS)}
    JOIN flujo.waits AS w ON w.run = g.run AND w.name = g.name WHERE g.n = ANY(:${taken})) AS waiting
  WHERE f.run = waiting.run AND f.key = waiting.fiber
    AND f.owner IS NULL AND f.ended IS NULL AND (f.ready_at IS NULL OR f.ready_at > :now) RETURNING 1)
  SELECT coalesce(:woke, 0) + count(*)::int FROM woken`,
  },
];

/**
 * Blobs and who refers to them; without a text only that. A blob that exists is locked first: pruning locks what it deletes, so
 * either it sees the new reference or this sees that the blob is gone and writes it again.
 */
export const insertBlobs = (prefix: string, owner: string): readonly Step[] => [
  {
    into: "locked",
    when: `${prefix}_i`,
    sql: `SELECT count(*)::int FROM (
    SELECT 1 FROM flujo.blobs WHERE hash = ANY(:${prefix}_hash) ORDER BY hash FOR KEY SHARE) AS locked`,
  },
  {
    when: `${prefix}_i`,
    sql: `
  INSERT INTO flujo.blobs (hash, text)
  SELECT DISTINCT ON (g.hash) g.hash, g.text FROM ${rowsOf(prefix, BLOB_PARAMS)}
  WHERE g.i = ANY(:${owner}) AND g.text IS NOT NULL ORDER BY g.hash
  ON CONFLICT (hash) DO NOTHING`,
  },
  {
    when: `${prefix}_i`,
    sql: `
  INSERT INTO flujo.blob_refs (run, hash)
  SELECT DISTINCT g.run, g.hash FROM ${rowsOf(prefix, BLOB_PARAMS)} JOIN flujo.runs AS r ON r.id = g.run WHERE g.i = ANY(:${owner})
  ON CONFLICT DO NOTHING`,
  },
];

export { rowsOf };
