/**
 * Tables of version 1. Why they look like this:
 *
 * fibers    hot. A transition that keeps its fiber changes no indexed column (owner, ready_at, queue, priority, cancel, ended
 *           stay), so it is a HOT update: half of each page is kept free for it, and autovacuum looks early. `value`, `context`
 *           and `aside` are columns of their own: one that did not change keeps its place in the TOAST table.
 * runs      cold: written when a run starts and when it ends. When a run was first leased stands on its fibers until then, so
 *           that a claim never touches this table. Its row is also the lock of the run's mailbox (see commit-program.ts).
 * events    append-only, clustered by nothing, found by (run, seq). Deleted by run, in chunks. To drop history by the month
 *           instead, partition by range of `seq` (it grows with time): (run, seq) may then stay the key, since it holds the
 *           partition key, and every statement here works on the partitioned table as it does on this one.
 * waits     which parked fiber waits for which name: written when it parks, removed when it is claimed.
 * messages  the mailbox; message_ids remembers ids for ever after, so that consuming does not undo deduplication. `mark` is "i"
 *           and an id from outside, or "o" and a `once` of the engine's own.
 * run_metadata  one row per pair, by digest (an index row holds 2,700 bytes and a value may be longer), in the order of lists.
 * queue_rules  rules of governed queues, what their rates remember, and the lane that was served last; lane_rates: the same of
 *           lanes. `version` is another one after each claim and each change: whoever has looked knows whether that still holds.
 *
 * Instants and priorities are float8, because callers may compute fractions. Text that is compared is COLLATE "C": the order is
 * the same on every server, and comparing costs a memcmp. Payloads are `text`: jsonb refuses NUL and forgets the order of keys.
 *
 * A row that is due in a governed queue carries its lane as its `turn`: from its birth, or from the first claim that finds it due.
 * That moves it from `fibers_ready` to `fibers_turns`, which lists the lanes that wait, and while it is leased to
 * `fibers_places`, which counts. So a row that was stored before there were rules is seen when it is due, and free queues pay
 * nothing. Rules do not apply to a row that was asked to stop: it stays in `fibers_ready`.
 */
export const READY = `owner IS NULL AND ready_at IS NOT NULL AND (turn IS NULL OR cancel IS NOT NULL)`;
export const IN_TURN = `owner IS NULL AND turn IS NOT NULL AND cancel IS NULL`;
export const IN_PLACE = `owner IS NOT NULL AND turn IS NOT NULL`;

export const VERSION_1: string = `
CREATE TABLE flujo.runs (
  id text COLLATE "C" PRIMARY KEY,
  flow text NOT NULL,
  version text NOT NULL,
  fingerprint text NOT NULL,
  status text NOT NULL CHECK (status IN ('open', 'completed', 'failed', 'cancelled')),
  parent_run text COLLATE "C",
  parent_fiber text,
  reply text,
  cancel_reason text,
  created_at float8 NOT NULL,
  started_at float8,
  ended_at float8,
  metadata text NOT NULL,
  input text NOT NULL,
  output text,
  failure text
);
CREATE INDEX runs_created ON flujo.runs (created_at, id);
CREATE INDEX runs_open ON flujo.runs (created_at, id) WHERE status = 'open';
CREATE INDEX runs_unwell ON flujo.runs (created_at, id) WHERE status IN ('failed', 'cancelled');
CREATE INDEX runs_ended ON flujo.runs (ended_at, id) WHERE ended_at IS NOT NULL;
CREATE INDEX runs_children ON flujo.runs (parent_run, created_at, id) WHERE parent_run IS NOT NULL;

CREATE TABLE flujo.run_metadata (
  pair uuid NOT NULL,
  created_at float8 NOT NULL,
  run text COLLATE "C" NOT NULL,
  PRIMARY KEY (pair, created_at, run)
);

CREATE TABLE flujo.fibers (
  run text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  parent text COLLATE "C",
  fork int8,
  ordinal int8,
  fingerprint text COLLATE "C" NOT NULL,
  queue text COLLATE "C" NOT NULL,
  lane text COLLATE "C" NOT NULL,
  turn text COLLATE "C",
  priority float8 NOT NULL,
  seq int8 NOT NULL,
  owner text COLLATE "C",
  epoch int8,
  ready_at float8,
  started_at float8,
  deliveries int8 NOT NULL,
  ended text,
  cancel text,
  names text[],
  wait text,
  human boolean NOT NULL DEFAULT false,
  state text NOT NULL,
  value text NOT NULL,
  context text NOT NULL,
  aside text NOT NULL,
  PRIMARY KEY (run, key)
);
CREATE INDEX fibers_ready ON flujo.fibers (queue, fingerprint, priority DESC, ready_at) WHERE ${READY};
CREATE INDEX fibers_turns ON flujo.fibers (queue, turn, fingerprint, priority DESC, ready_at) WHERE ${IN_TURN};
CREATE INDEX fibers_places ON flujo.fibers (queue, turn) WHERE ${IN_PLACE};
CREATE INDEX fibers_held ON flujo.fibers (owner) WHERE owner IS NOT NULL;
CREATE INDEX fibers_cancelled ON flujo.fibers (owner) WHERE owner IS NOT NULL AND cancel IS NOT NULL;
CREATE INDEX fibers_open ON flujo.fibers (run, parent, fork) WHERE parent IS NOT NULL AND ended IS NULL;
CREATE INDEX fibers_ended ON flujo.fibers (run, parent, fork, ordinal) WHERE ended IS NOT NULL;

CREATE SEQUENCE flujo.event_seq;
CREATE TABLE flujo.events (
  run text COLLATE "C" NOT NULL,
  seq int8 NOT NULL,
  fiber text NOT NULL,
  worker text,
  at float8 NOT NULL,
  facts text NOT NULL,
  PRIMARY KEY (run, seq)
);

CREATE TABLE flujo.waits (
  run text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  fiber text COLLATE "C" NOT NULL,
  PRIMARY KEY (run, fiber, name)
);
CREATE INDEX waits_name ON flujo.waits (run, name);

CREATE SEQUENCE flujo.message_seq;
CREATE TABLE flujo.messages (
  run text COLLATE "C" NOT NULL,
  seq int8 NOT NULL,
  mark text,
  name text COLLATE "C" NOT NULL,
  sent_at float8 NOT NULL,
  data text NOT NULL,
  PRIMARY KEY (run, seq)
);
CREATE INDEX messages_mailbox ON flujo.messages (run, name, seq);

CREATE TABLE flujo.message_ids (
  run text COLLATE "C" NOT NULL,
  mark text COLLATE "C" NOT NULL,
  PRIMARY KEY (run, mark)
);

CREATE SEQUENCE flujo.epochs;
CREATE TABLE flujo.workers (
  id text COLLATE "C" PRIMARY KEY,
  epoch int8 NOT NULL,
  lease_until float8 NOT NULL,
  about text NOT NULL
);

CREATE SEQUENCE flujo.rule_versions;
CREATE TABLE flujo.queue_rules (
  queue text COLLATE "C" PRIMARY KEY,
  rules text NOT NULL,
  rate text NOT NULL,
  served text COLLATE "C" NOT NULL DEFAULT '',
  version int8 NOT NULL
);
CREATE TABLE flujo.lane_rates (
  queue text COLLATE "C" NOT NULL,
  turn text COLLATE "C" NOT NULL,
  state text NOT NULL,
  room_at float8 NOT NULL,
  empty_at float8 NOT NULL,
  PRIMARY KEY (queue, turn)
);
CREATE INDEX lane_rates_empty ON flujo.lane_rates (empty_at);

CREATE TABLE flujo.schedules (
  id text COLLATE "C" PRIMARY KEY,
  spec text NOT NULL,
  next_at float8,
  last_at float8,
  last_run text
);

CREATE TABLE flujo.definitions (
  fingerprint text COLLATE "C" PRIMARY KEY,
  name text NOT NULL,
  version text NOT NULL,
  described text NOT NULL
);

CREATE TABLE flujo.blobs (
  hash text COLLATE "C" PRIMARY KEY,
  text text NOT NULL
);
CREATE TABLE flujo.blob_refs (
  run text COLLATE "C" NOT NULL,
  hash text COLLATE "C" NOT NULL,
  PRIMARY KEY (run, hash)
);
CREATE INDEX blob_refs_hash ON flujo.blob_refs (hash);

CREATE SEQUENCE flujo.outbox_seq;
CREATE TABLE flujo.outbox (
  id text COLLATE "C" PRIMARY KEY,
  seq int8 NOT NULL,
  shard int8 NOT NULL,
  effect text NOT NULL
);
CREATE INDEX outbox_order ON flujo.outbox (seq);
CREATE INDEX outbox_shard ON flujo.outbox (shard, seq);

CREATE TABLE flujo.marks (
  key text COLLATE "C" PRIMARY KEY,
  value text NOT NULL
);
`;

/** Half of each page of `fibers` stays free for HOT updates; a hundred dead rows are enough to look at it. */
export const STORAGE_1 = `
ALTER TABLE flujo.fibers SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 100,
  autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE flujo.workers SET (fillfactor = 50);
ALTER TABLE flujo.waits SET (autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE flujo.messages SET (autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE flujo.events SET (autovacuum_vacuum_insert_scale_factor = 0.5);
`;
