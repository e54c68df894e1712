import type { WorkerId } from "../../domain/ids.ts";
import type { FiberRef, HeartbeatOutcome, SweepOutcome, Which, WorkerRecord } from "../../ports/queue.ts";
import type { Wire } from "../../domain/wire.ts";
import type { Connection } from "./driver.ts";
import { fiberKeyIn, numberIn, numberOrNull, runIdIn, textIn, workerIdIn, workerRecord } from "./rows.ts";
import { json, original } from "../../ports/stored-text.ts";
import type { Work } from "./work.ts";

const HAND_BACK = "UPDATE fibers SET owner = NULL, epoch = NULL, turn = NULL, ready_at = ? WHERE owner = ?";

function handBackAll(work: Work, worker: string): number {
  const fibers = work.db.run(HAND_BACK, work.now, worker);
  if (fibers > 0) work.noteReady();
  return fibers;
}

const NEXT_EPOCH = "UPDATE counters SET value = value + 1 WHERE name = 'epoch' RETURNING value";
const UPSERT_WORKER = `
  INSERT INTO workers (id, epoch, lease_until, about) VALUES (?, ?, ?, ?)
  ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, lease_until = excluded.lease_until, about = excluded.about`;

/** Epochs grow across the store, so that rows of dead workers need not be kept to remember theirs. */
export function register(work: Work, worker: WorkerId, leaseMs: number, about: Wire): number {
  handBackAll(work, worker);
  const epoch = numberIn(work.db.get(NEXT_EPOCH), "value");
  work.db.run(UPSERT_WORKER, worker, epoch, work.now + leaseMs, json(about));
  return epoch;
}

const WORKERS = `
  SELECT id, epoch, lease_until, about, (SELECT count(*) FROM fibers WHERE owner = workers.id) AS held
  FROM workers ORDER BY id`;

export const allWorkers = (db: Connection): readonly WorkerRecord[] => db.all(WORKERS).map(workerRecord);

const RENEW = "UPDATE workers SET lease_until = ?, about = coalesce(?, about) WHERE id = ? AND epoch = ?";
const NEXT_EXPIRY = "SELECT min(lease_until) AS at FROM workers WHERE id <> ?";

const CANCELLED =
  "SELECT run, key, cancel FROM fibers INDEXED BY fibers_cancelled WHERE owner = ? AND cancel IS NOT NULL";

export interface Beat {
  readonly worker: WorkerId;
  readonly epoch: number;
  readonly leaseMs: number;
  readonly about: Wire | undefined;
}

export function heartbeat({ db, now }: Work, { worker, epoch, leaseMs, about }: Beat): HeartbeatOutcome {
  const renewed = db.run(RENEW, now + leaseMs, about === undefined ? null : json(about), worker, epoch);
  if (renewed === 0) return { status: "lost" };
  const cancelled = db.all(CANCELLED, worker).map((row) => ({
    run: runIdIn(row, "run"),
    fiber: fiberKeyIn(row, "key"),
    reason: original(textIn(row, "cancel")),
  }));
  const next = numberOrNull(db.get(NEXT_EXPIRY, worker), "at");
  return { status: "alive", cancelled, nextExpiryMs: next === null ? Number.POSITIVE_INFINITY : next - now };
}

export const anyExpired = (db: Connection, now: number): boolean =>
  db.get("SELECT 1 AS yes FROM workers WHERE lease_until <= ? LIMIT 1", now) !== undefined;

export function sweep(work: Work): SweepOutcome {
  const dead = work.db
    .all("DELETE FROM workers WHERE lease_until <= ? RETURNING id", work.now)
    .map((row) => workerIdIn(row, "id"));
  return { workers: dead, fibers: dead.reduce((sum, worker) => sum + handBackAll(work, worker), 0) };
}

const RELEASE = `
  UPDATE fibers SET owner = NULL, epoch = NULL, turn = NULL, ready_at = ?, deliveries = max(0, deliveries - 1)
  WHERE owner = ? AND epoch = ? AND run = ? AND key = ?`;

export function release(work: Work, worker: WorkerId, epoch: number, which: Which | undefined): number {
  const { db, now } = work;
  let released = 0;
  for (const { run, fiber } of chosen(db, worker, epoch, which))
    released += db.run(RELEASE, now, worker, epoch, run, fiber);
  if (released > 0) work.noteReady();
  return released;
}

const refText = ({ run, fiber }: FiberRef): string => `${run}/${fiber}`; // neither may contain a slash

function chosen(db: Connection, worker: WorkerId, epoch: number, which: Which | undefined): readonly FiberRef[] {
  if (which !== undefined && "only" in which) return which.only;
  const rows = db.all("SELECT run, key FROM fibers WHERE owner = ? AND epoch = ?", worker, epoch);
  const held = rows.map((row) => ({ run: runIdIn(row, "run"), fiber: fiberKeyIn(row, "key") }));
  if (which === undefined) return held;
  const kept = new Set(which.except.map(refText));
  return held.filter((ref) => !kept.has(refText(ref)));
}
