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
  lockWorkers,
  MESSAGE_PARAMS,
  type ParamTypes,
  prefixed,
  rowsOf,
} from "./insert-steps.ts";
import { cancelRuns, REQUEST_CANCEL } from "./cancel-steps.ts";
import { NOW, type Program, type Step } from "./program.ts";
import { START_PARAMS, START_VARIABLES, startSteps } from "./start-program.ts";

/*
 * THE ORDER OF LOCKS, for every statement of this store: workers by id → queues by name → runs by id → fibers by (run, key) →
 * messages, blobs. Whoever takes them in this order cannot wait in a circle. Two exceptions wait for nothing: a claim passes
 * over what is locked, and the update of held fibers, alone in its transaction, locks fibers only. What is left (a sweep that
 * takes rows of a worker that is not dead after all) the server resolves, and the store tries again (40P01).
 *
 * PARKING AND DELIVERING never miss each other (I5): both lock the row of the run, which stands for its mailbox. Under READ
 * COMMITTED each statement sees what was committed before it began, so the lock is a statement of its own, and the look into
 * the mailbox, or at who waits, is a later one. Whoever comes second therefore sees what the first has written. One statement
 * that locks and looks would not do: its snapshot is older than the lock that it waited for.
 *
 * A layer of a batch, whose transitions touch nothing of each other, is one call. Those that keep their fiber and have no other
 * effect ("held") are fenced by the update itself; the others are fenced by a lock on their fiber, judged, and then written all
 * together, table by table.
 */

export const HELD_PARAMS = {
  run: "text[]",
  fiber: "text[]",
  worker: "text[]",
  epoch: "int8[]",
  seq: "int8[]",
  state: "text[]",
  value: "text[]",
  context: "text[]",
  aside: "text[]",
  at: "float8[]",
  facts: "text[]",
  ack: "boolean[]",
} as const;

/**
 * The fence. Not `=`: that would let the planner look a fiber up among all that its worker holds (without statistics it does), and a
 * batch of 100 would look at 100 times 100 rows.
 */
export const OURS = "f.owner IS NOT DISTINCT FROM g.worker AND f.epoch = g.epoch AND f.seq = g.seq";

/**
 * I2, I9: the WHERE is the fence. Nothing indexed changes, so the update is HOT. `but` keeps rows from it that are ours. Steps of
 * a WITH: who was `moved`, and their events.
 */
export const moveHeld = (prefix: "h" | "t", but = ""): string => `
  moved AS (
    UPDATE flujo.fibers AS f SET seq = f.seq + 1, deliveries = 0, state = g.state, value = coalesce(g.value, f.value),
      context = coalesce(g.context, f.context), aside = coalesce(g.aside, f.aside), names = NULL, wait = NULL,
      cancel = CASE WHEN g.ack THEN NULL ELSE f.cancel END
    FROM ${rowsOf(prefix, HELD_PARAMS)}
    WHERE f.run = g.run AND f.key = g.fiber AND ${OURS}${but}
    RETURNING g.n, f.cancel, g.run, g.fiber, g.worker, g.at, g.facts),
  told AS (
    INSERT INTO flujo.events (seq, run, fiber, worker, at, facts)
    SELECT nextval('flujo.event_seq'), run, fiber, worker, at, facts FROM (
      SELECT * FROM moved WHERE moved.facts IS NOT NULL ORDER BY moved.n) AS told)`;

/** Into `moved`: numbers of those that were ours; into `asked`: who of them shall stop, and why. */
export const HOLD: Step = {
  into: ["moved", "asked"],
  when: "h_run",
  sql: `WITH ${moveHeld("h")} SELECT coalesce(array_agg(n::int), '{}'), coalesce(array_agg(cancel), '{}') FROM moved`,
};

/** Into `fenced`: numbers of those that are ours. Their fibers are locked. */
const FENCE: Step = {
  into: "fenced",
  sql: `
  SELECT coalesce(array_agg(mine.n), '{}') FROM (
    SELECT g.n::int AS n FROM unnest(:g_run, :g_fiber, :g_worker, :g_epoch, :g_seq) WITH ORDINALITY AS g (run, fiber, worker, epoch, seq, n)
    JOIN flujo.fibers AS f ON f.run = g.run AND f.key = g.fiber AND ${OURS}
    ORDER BY g.run, g.fiber FOR NO KEY UPDATE OF f) AS mine`,
};

/** A batch in which every transition keeps its fiber: what most batches are. */
export const ADVANCE: Program = {
  name: "advance_1",
  params: prefixed("h", HELD_PARAMS),
  returns: "n int, cancel text",
  steps: [{ sql: `WITH ${moveHeld("h")} SELECT n::int, cancel FROM moved` }],
};

/** Messages from outside stay: whoever sent them was told that they arrived, and a revived run finds them. */
export const OF_THE_ENGINE = "(m.mark IS NULL OR left(m.mark, 1) = 'o')";

export const STARTED_AT = `coalesce(r.started_at, (
      SELECT f.started_at FROM flujo.fibers AS f WHERE f.run = r.id AND f.started_at IS NOT NULL ORDER BY f.key LIMIT 1))`;

export const ANSWERED =
  "part text, n int, ok boolean, woken boolean, cancel text, queued boolean, births text[], woke int";

export const GIVEN_PARAMS = {
  run: "text[]",
  fiber: "text[]",
  worker: "text[]",
  epoch: "int8[]",
  seq: "int8[]",
  state: "text[]",
  value: "text[]",
  context: "text[]",
  aside: "text[]",
  ack: "boolean[]",
  position: "text[]",
  at: "float8[]",
  outcome: "text[]",
  queue: "text[]",
  lane: "text[]",
  priority: "float8[]",
  names: "text[]",
  wait: "text[]",
  human: "boolean[]",
} as const;

export type ListName = "c" | "u" | "n" | "e" | "s" | "m" | "b" | "x" | "f" | "d" | "q" | "o";

/** Lists of a transition, each row with its number. */
export const LIST_PARAMS: Readonly<Record<ListName, ParamTypes>> = {
  c: { i: "int[]", run: "text[]", seq: "int8[]" }, // consume
  u: { i: "int[]", run: "text[]", name: "text[]" }, // unless
  n: { i: "int[]", run: "text[]", name: "text[]", fiber: "text[]" }, // awaited names
  e: EVENT_PARAMS,
  s: FIBER_PARAMS, // spawn
  m: MESSAGE_PARAMS, // send
  b: BLOB_PARAMS,
  x: { i: "int[]", run: "text[]", reason: "text[]" }, // cancelRuns
  f: { i: "int[]", run: "text[]", parent: "text[]", fork: "int8[]", reason: "text[]" }, // cancelFork
  d: { i: "int[]", run: "text[]", parent: "text[]", fork: "int8[]" }, // dropFork
  q: { i: "int[]", run: "text[]", status: "text[]", output: "text[]", failure: "text[]", at: "float8[]" }, // endRun
  o: { i: "int[]", id: "text[]", shard: "int8[]", effect: "text[]" }, // outbox
};

const LISTS: ParamTypes = Object.assign(
  {},
  ...Object.entries(LIST_PARAMS).map(([prefix, params]) => prefixed(prefix, params)),
);

/** What few transitions have. */
const BUNDLED = ["u", "x", "f", "d", "o"] as const;

/** Of what is ours: all but those that want a message that is gone, or none where there is one. */
const JUDGE: Step = {
  into: "ok",
  sql: `
  WITH refused (n) AS (
    SELECT c.i FROM unnest(:c_i, :c_run, :c_seq) AS c (i, run, seq)
    WHERE NOT EXISTS (SELECT 1 FROM flujo.messages AS m WHERE m.run = c.run AND m.seq = c.seq)
    UNION ALL
    SELECT u.i FROM unnest(:u_i, :u_run, :u_name) AS u (i, run, name)
    WHERE EXISTS (SELECT 1 FROM flujo.messages AS m WHERE m.run = u.run AND m.name = u.name))
  SELECT coalesce(array_agg(h.n), '{}') FROM unnest(:fenced) AS h (n) WHERE h.n NOT IN (SELECT r.n FROM refused AS r)`,
};

const CONSUME: Step = {
  when: "c_i",
  sql: `
  DELETE FROM flujo.messages AS m USING unnest(:c_i, :c_run, :c_seq) AS c (i, run, seq)
  WHERE c.i = ANY(:ok) AND m.run = c.run AND m.seq = c.seq`,
};

/** Whose mailbox holds what they are about to wait for. */
const LISTEN: Step = {
  into: "heard",
  when: "n_i",
  sql: `
  SELECT coalesce(array_agg(n.i), '{}') FROM unnest(:n_i, :n_run, :n_name) AS n (i, run, name)
  WHERE EXISTS (SELECT 1 FROM flujo.messages AS m WHERE m.run = n.run AND m.name = n.name)`,
};

/** `gone` = its run ends in the same transition, so nobody will read the row. */
const WRITE_FIBERS: Step = {
  sql: `
  UPDATE flujo.fibers AS f SET seq = f.seq + 1, deliveries = 0, state = g.state, value = coalesce(g.value, f.value),
    context = coalesce(g.context, f.context), aside = coalesce(g.aside, f.aside), names = CASE WHEN g.names IS NOT NULL THEN ARRAY(SELECT json_array_elements_text(g.names::json)) END, wait = g.wait, human = g.human, ended = g.outcome,
    cancel = CASE WHEN NOT g.ack AND g.outcome IS NULL THEN f.cancel END,
    queue = coalesce(g.queue, f.queue), lane = coalesce(g.lane, f.lane), priority = coalesce(g.priority, f.priority),
    turn = CASE WHEN g.keeps AND g.queue IS NULL THEN f.turn WHEN g.position = 'held' AND g.governed THEN g.lane END,
    owner = CASE WHEN g.keeps THEN f.owner END, epoch = CASE WHEN g.keeps THEN f.epoch END,
    ready_at = CASE
      WHEN g.outcome IS NOT NULL THEN NULL
      WHEN g.keeps THEN f.ready_at
      WHEN g.position = 'held' OR g.n = ANY(:heard) THEN :now
      WHEN f.cancel IS NOT NULL AND NOT g.ack THEN least(g.at, :now)
      ELSE g.at END
  FROM (
    SELECT given.*, given.position = 'held' AND NOT given.governed AS keeps FROM (
      SELECT g.*, EXISTS (SELECT 1 FROM flujo.queue_rules AS q WHERE q.queue = g.queue) AS governed
      FROM ${rowsOf("g", GIVEN_PARAMS)}) AS given) AS g
  WHERE f.run = g.run AND f.key = g.fiber AND g.n = ANY(:ok) AND g.position <> 'gone'`,
};

const AWAIT: Step = {
  when: "n_i",
  sql: `
  INSERT INTO flujo.waits (run, name, fiber)
  SELECT n.run, n.name, n.fiber FROM unnest(:n_i, :n_run, :n_name, :n_fiber) AS n (i, run, name, fiber) WHERE n.i = ANY(:ok)
  ON CONFLICT DO NOTHING`,
};

const CANCEL_FORKS: Step = {
  when: "f_i",
  sql: `
  UPDATE flujo.fibers AS f SET ${REQUEST_CANCEL}
  FROM unnest(:f_i, :f_run, :f_parent, :f_fork, :f_reason) AS x (i, run, parent, fork, reason)
  WHERE x.i = ANY(:ok) AND f.run = x.run AND f.parent = x.parent AND f.fork = x.fork AND f.parent IS NOT NULL AND f.ended IS NULL`,
};

const DROP_FORKS: Step = {
  when: "d_i",
  sql: `
  DELETE FROM flujo.fibers AS f USING unnest(:d_i, :d_run, :d_parent, :d_fork) AS d (i, run, parent, fork)
  WHERE d.i = ANY(:ok) AND f.run = d.run AND f.parent = d.parent AND f.fork = d.fork AND f.ended IS NOT NULL`,
};

const ended = (where: string): string => `unnest(:q_i, :q_run) AS q (i, run) WHERE q.i = ANY(:ok) AND ${where}`;

const END_RUNS: readonly Step[] = [
  {
    when: "q_i",
    sql: `
  UPDATE flujo.runs AS r SET status = q.status, output = q.output, failure = q.failure, ended_at = q.at,
    started_at = ${STARTED_AT}
  FROM unnest(:q_i, :q_run, :q_status, :q_output, :q_failure, :q_at) AS q (i, run, status, output, failure, at)
  WHERE q.i = ANY(:ok) AND r.id = q.run`,
  },
  { when: "q_i", sql: `DELETE FROM flujo.fibers AS f USING ${ended("f.run = q.run")}` },
  {
    when: "q_i",
    sql: `DELETE FROM flujo.messages AS m USING ${ended(`m.run = q.run AND ${OF_THE_ENGINE}`)}`,
  },
  { when: "q_i", sql: `DELETE FROM flujo.waits AS w USING ${ended("w.run = q.run")}` },
];

const POST: Step = {
  when: "o_i",
  sql: `
  INSERT INTO flujo.outbox (id, seq, shard, effect)
  SELECT id, nextval('flujo.outbox_seq'), shard, effect FROM (
    SELECT o.* FROM unnest(:o_i, :o_id, :o_shard, :o_effect) WITH ORDINALITY AS o (i, id, shard, effect, n)
    WHERE o.i = ANY(:ok) ORDER BY o.n) AS posted
  ON CONFLICT (id) DO NOTHING`,
};

/**
 * Of each transition, by part ("h" or "g") and number: what its worker has to know. Those that are not there were refused. Then
 * one row of part "s": which new fibers, written run/key, have their turn in a queue with rules. A run that ends in the
 * transition has no fiber to look at, and looking through its dead rows took a fifth of the call.
 */
const ANSWER: Step = {
  sql: `
  SELECT 'h', h.n, true, false, h.cancel, false, NULL::text[], 0 FROM unnest(:moved, :asked) AS h (n, cancel)
  UNION ALL
  SELECT 'g', g.n::int, g.n = ANY(:ok), coalesce(f.wait IS NOT NULL AND f.owner IS NULL AND f.ready_at <= :now, false), f.cancel,
    g.position = 'held' AND EXISTS (SELECT 1 FROM flujo.queue_rules AS q WHERE q.queue = g.queue), NULL, 0
  FROM unnest(:g_run, :g_fiber, :g_position, :g_queue) WITH ORDINALITY AS g (run, fiber, position, queue, n)
    LEFT JOIN flujo.fibers AS f ON f.run = g.run AND f.key = g.fiber
  WHERE g.position <> 'gone' AND g.n = ANY(:fenced)
  UNION ALL
  SELECT 'g', g.n::int, g.n = ANY(:ok), false, NULL, false, NULL, 0 FROM unnest(:g_position) WITH ORDINALITY AS g (position, n)
  WHERE g.position = 'gone' AND g.n = ANY(:fenced)
  UNION ALL
  SELECT 's', 0, true, false, NULL, false, :spawned, coalesce(:woke, 0)`,
};

/** One layer of a batch. */
export const COMMIT: Program = {
  name: "commit_1",
  params: {
    now: "float8",
    lock_workers: "text[]",
    lock_queues: "text[]",
    lock_runs: "text[]",
    ...prefixed("h", HELD_PARAMS),
    ...prefixed("g", GIVEN_PARAMS),
    ...LISTS,
    ...START_PARAMS,
  },
  bundle: [
    "lock_queues",
    ...BUNDLED.flatMap((list) => Object.keys(prefixed(list, LIST_PARAMS[list]))),
    ...Object.keys(START_PARAMS),
  ],
  variables: {
    moved: "int[]",
    asked: "text[]",
    fenced: "int[]",
    ok: "int[]",
    heard: "int[]",
    mail: "int[]",
    spawned: "text[]",
    ...START_VARIABLES,
  },
  returns: ANSWERED,
  steps: [
    NOW,
    lockWorkers("lock_workers"),
    lockQueues("lock_queues"),
    lockRuns("lock_runs"),
    HOLD,
    FENCE,
    JUDGE,
    CONSUME,
    LISTEN,
    WRITE_FIBERS,
    AWAIT,
    insertEvents("e", "ok"),
    ...insertBlobs("b", "ok"),
    insertFibers("s", "ok"),
    { into: "spawned", expression: true, sql: ":queued" },
    ...startSteps("ok"),
    ...deliver("m", "ok", "mail"),
    CANCEL_FORKS,
    ...cancelRuns("ok"),
    DROP_FORKS,
    ...END_RUNS,
    POST,
    ANSWER,
  ],
};
