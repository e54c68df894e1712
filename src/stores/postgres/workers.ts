import type { WorkerId } from "../../domain/ids.ts";
import type { Wire } from "../../domain/wire.ts";
import type { HeartbeatOutcome, SweepOutcome, Which, WorkerRecord } from "../../ports/queue.ts";
import { json, jsonOrNull, original } from "../../ports/stored-text.ts";
import type { Database } from "./database.ts";
import { fiberKeyIn, isNull, numberIn, runIdIn, textIn, textsIn, workerRecord } from "./rows.ts";
import { ADMIT, HEARTBEAT, REGISTER, RELEASE, SWEEP } from "./worker-programs.ts";

export interface Registration {
  readonly worker: WorkerId;
  readonly leaseMs: number;
  readonly about: Wire;
  readonly now: number | null;
}

export async function register(
  db: Database,
  { worker, leaseMs, about, now }: Registration,
): Promise<{ readonly epoch: number; readonly freed: number }> {
  const values = { now, worker, worker_ids: [worker], lease_ms: leaseMs, about: json(about) };
  const [row = {}] = await db.run(REGISTER, values);
  return { epoch: numberIn(row, "epoch"), freed: numberIn(row, "freed") };
}

export interface Beat {
  readonly worker: WorkerId;
  readonly epoch: number;
  readonly leaseMs: number;
  readonly about?: Wire | undefined;
  readonly now: number | null;
}

export async function admit(db: Database, { worker, epoch, leaseMs, now }: Beat): Promise<number> {
  const [row = {}] = await db.run(ADMIT, { now, worker, epoch, lease_ms: leaseMs });
  return numberIn(row, "freed");
}

export async function heartbeat(db: Database, { worker, epoch, leaseMs, about, now }: Beat): Promise<HeartbeatOutcome> {
  const rows = await db.run(HEARTBEAT, { now, worker, epoch, lease_ms: leaseMs, about: jsonOrNull(about) });
  const head = rows.find((row) => isNull(row, "run"));
  if (head === undefined) return { status: "lost" };
  const cancelled = rows
    .filter((row) => row !== head)
    .map((row) => ({
      run: runIdIn(row, "run"),
      fiber: fiberKeyIn(row, "fiber"),
      reason: original(textIn(row, "reason")),
    }));
  return { status: "alive", cancelled, nextExpiryMs: numberIn(head, "expiry_ms") };
}

export async function sweep(db: Database, now: number | null): Promise<SweepOutcome> {
  const [row = {}] = await db.run(SWEEP, { now });
  return { workers: textsIn(row, "dead") as readonly WorkerId[], fibers: numberIn(row, "freed") };
}

export interface Released {
  readonly worker: WorkerId;
  readonly epoch: number;
  readonly which: Which | undefined;
  readonly now: number | null;
}

export async function release(db: Database, { worker, epoch, which, now }: Released): Promise<number> {
  const only = which !== undefined && "only" in which ? which.only : undefined;
  const except = which !== undefined && "except" in which ? which.except : [];
  const [row = {}] = await db.run(RELEASE, {
    now,
    worker,
    epoch,
    all_of: only === undefined ? [worker] : [],
    only_run: only?.map(({ run }) => run) ?? null,
    only_key: only?.map(({ fiber }) => fiber) ?? null,
    kept: except.map(({ run, fiber }) => `${run}/${fiber}`),
  });
  return numberIn(row, "freed");
}

export async function workers(db: Database): Promise<readonly WorkerRecord[]> {
  const rows = await db.query(
    `SELECT w.id, w.epoch, w.lease_until, w.about, (SELECT count(*) FROM flujo.fibers AS f WHERE f.owner = w.id) AS held
     FROM flujo.workers AS w ORDER BY w.id`,
  );
  return rows.map(workerRecord);
}
