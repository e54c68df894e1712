/**
 * Tables of version 1. Why they look like this:
 *
 * fibers    hot. A transition that keeps its fiber changes no indexed column (owner, ready_at, queue, priority, cancel, ended
 *           stay), so it touches one page and no index. A rowid table: a leaf holds rows up to 4 KB without overflow pages,
 *           a WITHOUT ROWID leaf only up to 1 KB.
 * contexts  context and aside of a fiber, when they are not `{}` and `null`. Apart, because SQLite rewrites a whole row to
 *           change one column: with a 16 KB context beside the state an update cost 35 µs of CPU, apart from it 4 µs.
 * events    append-only, no index at all. Each event names its predecessor on the same fiber (`prev`), the fiber names its
 *           last one (`head`); history walks back. Measured in batches of 100 over 100 runs: 14 µs of CPU per transition,
 *           against 24 µs with events clustered by run and 20 µs with an index on run: both dirty a page per run and batch.
 * chains    heads of fibers that are gone, so that their events are still found.
 * turn      of a row that is due or leased in a governed queue: its lane behind a "=", or a "+" (lanes.ts, waiting.ts).
 * queue_lanes  lanes that were found full, or whose rate remembers claims. `opens_at`: when to look at it, NULL = once a place
 *           is freed. Triggers see to that, so that no statement can forget it; those of held fibers do not touch `turn`.
 *           `forget_at`: nothing waits in the list for it, and that is when its rate has nothing left to remember.
 * waits     which parked fiber waits for which name: written when it parks, removed when it is claimed.
 * messages  the mailbox; message_ids remembers ids for ever after, so that consuming does not undo deduplication. Its column
 *           `own` tells ids of the engine's own messages (`once`) from those that senders chose.
 * runs_unwell  failed and cancelled runs, in the order of lists: they are few and looked for often, behind many that completed.
 * run_metadata  one row per pair (1.6 µs), in the order of lists. A filter reads what it returns: 0.1 ms for 20 of 100,000
 *           runs, where json_extract over all of them took 63 ms, in which the process does nothing else.
 *
 * Instants and priorities are REAL, because callers may compute fractions; SQLite stores whole ones as integers.
 */
export const VERSION_1 = `
CREATE TABLE runs (
  id TEXT NOT NULL PRIMARY KEY,
  flow TEXT NOT NULL,
  version TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
  parent_run TEXT,
  parent_fiber TEXT,
  reply TEXT,
  cancel_reason TEXT,
  created_at REAL NOT NULL,
  started_at REAL,
  ended_at REAL,
  head INTEGER,
  metadata TEXT NOT NULL,
  input TEXT NOT NULL,
  output TEXT,
  failure TEXT
) STRICT;
CREATE INDEX runs_created ON runs (created_at, id);
CREATE INDEX runs_ended ON runs (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX runs_unwell ON runs (created_at, id) WHERE status IN ('failed', 'cancelled');
CREATE INDEX runs_children ON runs (parent_run, created_at, id) WHERE parent_run IS NOT NULL;

CREATE TABLE run_metadata (
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  created_at REAL NOT NULL,
  run TEXT NOT NULL,
  PRIMARY KEY (name, value, created_at, run)
) STRICT, WITHOUT ROWID;

CREATE TABLE fibers (
  id INTEGER PRIMARY KEY,
  run TEXT NOT NULL,
  key TEXT NOT NULL,
  parent TEXT,
  fork INTEGER,
  ordinal INTEGER,
  fingerprint TEXT NOT NULL,
  queue TEXT NOT NULL,
  priority REAL NOT NULL,
  lane TEXT,
  turn TEXT,
  seq INTEGER NOT NULL,
  owner TEXT,
  epoch INTEGER,
  ready_at REAL,
  deliveries INTEGER NOT NULL,
  head INTEGER,
  ended TEXT,
  cancel TEXT,
  names TEXT,
  wait TEXT,
  state TEXT NOT NULL,
  value TEXT NOT NULL,
  UNIQUE (run, key)
) STRICT;
CREATE INDEX fibers_ready ON fibers (queue, fingerprint, priority DESC, ready_at) WHERE owner IS NULL AND ready_at IS NOT NULL AND turn IS NULL;
CREATE INDEX fibers_turns ON fibers (queue, turn, fingerprint, priority DESC, ready_at) WHERE owner IS NULL AND turn IS NOT NULL AND cancel IS NULL;
CREATE INDEX fibers_places ON fibers (queue, turn) WHERE owner IS NOT NULL AND turn IS NOT NULL;
CREATE INDEX fibers_held ON fibers (owner) WHERE owner IS NOT NULL;
CREATE INDEX fibers_cancelled ON fibers (owner, queue) WHERE cancel IS NOT NULL;
CREATE INDEX fibers_open ON fibers (run, parent, fork) WHERE parent IS NOT NULL AND ended IS NULL;
CREATE INDEX fibers_ended ON fibers (run, parent, fork, ordinal) WHERE ended IS NOT NULL;

CREATE TABLE contexts (
  fiber INTEGER PRIMARY KEY,
  context TEXT NOT NULL,
  aside TEXT NOT NULL
) STRICT;

CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  prev INTEGER,
  run TEXT NOT NULL,
  fiber TEXT NOT NULL,
  worker TEXT,
  at REAL NOT NULL,
  facts TEXT NOT NULL
) STRICT;

CREATE TABLE chains (
  run TEXT NOT NULL,
  head INTEGER NOT NULL,
  PRIMARY KEY (run, head)
) STRICT, WITHOUT ROWID;

CREATE TABLE waits (
  run TEXT NOT NULL,
  name TEXT NOT NULL,
  fiber TEXT NOT NULL,
  PRIMARY KEY (run, name, fiber)
) STRICT, WITHOUT ROWID;

CREATE TABLE messages (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  run TEXT NOT NULL,
  id TEXT,
  once TEXT,
  name TEXT NOT NULL,
  sent_at REAL NOT NULL,
  data TEXT NOT NULL
) STRICT;
CREATE INDEX messages_mailbox ON messages (run, name);

CREATE TABLE message_ids (
  run TEXT NOT NULL,
  id TEXT NOT NULL,
  own INTEGER NOT NULL,
  PRIMARY KEY (run, id, own)
) STRICT, WITHOUT ROWID;

CREATE TABLE workers (
  id TEXT NOT NULL PRIMARY KEY,
  epoch INTEGER NOT NULL,
  lease_until REAL NOT NULL,
  about TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE schedules (
  id TEXT NOT NULL PRIMARY KEY,
  spec TEXT NOT NULL,
  next_at REAL,
  last_at REAL,
  last_run TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE queue_rules (
  queue TEXT NOT NULL PRIMARY KEY,
  rules TEXT NOT NULL,
  rate TEXT NOT NULL,
  last TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE queue_lanes (
  queue TEXT NOT NULL,
  turn TEXT NOT NULL,
  opens_at REAL,
  forget_at REAL,
  rate TEXT NOT NULL,
  PRIMARY KEY (queue, turn)
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_lanes_turns ON queue_lanes (queue, turn, opens_at) WHERE opens_at IS NOT NULL;
CREATE INDEX queue_lanes_opening ON queue_lanes (queue, opens_at, turn) WHERE opens_at IS NOT NULL;
CREATE INDEX queue_lanes_idle ON queue_lanes (queue, forget_at) WHERE forget_at IS NOT NULL;
CREATE TRIGGER place_left AFTER UPDATE OF turn ON fibers WHEN OLD.turn IS NOT NULL AND OLD.owner IS NOT NULL AND NEW.turn IS NULL
BEGIN
  UPDATE queue_lanes SET opens_at = 0 WHERE queue = OLD.queue AND turn = OLD.turn AND opens_at IS NULL AND forget_at IS NULL;
END;
CREATE TRIGGER place_gone AFTER DELETE ON fibers WHEN OLD.turn IS NOT NULL AND OLD.owner IS NOT NULL
BEGIN
  UPDATE queue_lanes SET opens_at = 0 WHERE queue = OLD.queue AND turn = OLD.turn AND opens_at IS NULL AND forget_at IS NULL;
END;

CREATE TABLE counters (
  name TEXT NOT NULL PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counters VALUES ('epoch', 0);

CREATE TABLE definitions (
  fingerprint TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  version TEXT NOT NULL,
  described TEXT NOT NULL
) STRICT;

CREATE TABLE blobs (
  hash TEXT NOT NULL PRIMARY KEY,
  text TEXT NOT NULL
) STRICT;

CREATE TABLE blob_refs (
  run TEXT NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY (run, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_refs_hash ON blob_refs (hash);
`;
