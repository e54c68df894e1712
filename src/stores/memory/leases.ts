import type { WorkerId } from "../../domain/ids.ts";
import type { Wire } from "../../domain/wire.ts";
import type { FiberRef, HeartbeatOutcome, SweepOutcome, Which } from "../../ports/queue.ts";
import type { FiberRow, WorkerRow } from "./rows.ts";
import type { Tables } from "./tables.ts";

interface Beat {
  readonly worker: WorkerId;
  readonly epoch: number;
  readonly leaseMs: number;
  readonly about: Wire | undefined;
}

/** The worker begins anew: what it held before goes back. */
export function announce(tables: Tables, worker: WorkerRow, now: number): void {
  const before = tables.workers.get(worker.id);
  if (before !== undefined) handBack(tables, [...before.held], now);
  tables.workers.set(worker.id, worker);
}

/** Announces a worker under an epoch that another shard has given it, unless a larger one is known. */
export function admit(tables: Tables, { worker, epoch, leaseMs }: Omit<Beat, "about">, now: number): void {
  const before = tables.workers.get(worker);
  if (before !== undefined && before.epoch > epoch) return;
  if (before?.epoch === epoch) before.leaseUntil = now + leaseMs;
  else announce(tables, { id: worker, epoch, leaseUntil: now + leaseMs, held: new Set(), about: null }, now);
}

export function heartbeat(tables: Tables, { worker, epoch, leaseMs, about }: Beat, now: number): HeartbeatOutcome {
  const row = tables.currentWorker({ worker, epoch });
  if (row === undefined) return { status: "lost" };
  row.leaseUntil = now + leaseMs;
  if (about !== undefined) row.about = about;
  const cancelled = [...row.held].flatMap(({ run, key, cancel }) =>
    cancel === undefined ? [] : [{ run: run.id, fiber: key, reason: cancel }],
  );
  const others = [...tables.workers.values()].filter((other) => other !== row);
  const nextExpiryMs = Math.min(...others.map(({ leaseUntil }) => leaseUntil - now));
  return { status: "alive", cancelled, nextExpiryMs };
}

export function sweep(tables: Tables, now: number): SweepOutcome {
  const dead = [...tables.workers.values()].filter(({ leaseUntil }) => leaseUntil <= now);
  let fibers = 0;
  for (const worker of dead) {
    fibers += handBack(tables, [...worker.held], now);
    tables.workers.delete(worker.id);
  }
  return { workers: dead.map(({ id }) => id), fibers };
}

interface Release {
  readonly worker: WorkerId;
  readonly epoch: number;
  readonly which: Which | undefined;
}

export function release(tables: Tables, { worker, epoch, which }: Release, now: number): number {
  const row = tables.currentWorker({ worker, epoch });
  if (row === undefined) return 0;
  const wanted = [...row.held].filter((held) => {
    const isHeld = ({ run, fiber }: FiberRef): boolean => held.run.id === run && held.key === fiber;
    if (which === undefined) return true;
    return "only" in which ? which.only.some(isHeld) : !which.except.some(isHeld);
  });
  for (const held of wanted) held.deliveries = Math.max(0, held.deliveries - 1);
  return handBack(tables, wanted, now);
}

function handBack(tables: Tables, rows: readonly FiberRow[], now: number): number {
  for (const row of rows) {
    tables.giveUp(row);
    row.readyAt = now;
    tables.enqueue(row, now);
  }
  return rows.length;
}
