import { FlujoError } from "../../domain/errors.ts";
import type { ClaimRequest, LeasedFiber } from "../../ports/queue.ts";
import type { Lease } from "../../ports/store.ts";
import { undecodable } from "../../ports/undecodable.ts";
import type { Connection } from "./driver.ts";
import { messagesNamed, stopAwaiting } from "./messages.ts";
import { bareFiber, fiberRecord, fingerprintIn, metadataIn, namesIn, numberIn, parentIn } from "./rows.ts";
import { currentLease, FIBER_COLUMNS } from "./runs.ts";
import { storable } from "./text.ts";
import type { Work } from "./work.ts";

/*
 * Claim reads the partial index `fibers_ready` (queue, fingerprint, priority DESC, ready_at) and nothing else until it knows
 * which rows it takes. Per queue and definition it jumps from one priority to the next lower one, and within a priority it
 * reads due rows only. So neither parked fibers (not in the index), nor future timers (behind the due ones of their
 * priority), nor the work of other definitions cost anything: it reads as many entries as it returns, plus one per priority.
 */

export const NEXT_PRIORITY = `
  SELECT priority, ready_at FROM fibers INDEXED BY fibers_ready
  WHERE owner IS NULL AND ready_at IS NOT NULL AND queue = ? AND fingerprint = ? AND priority < ?
  ORDER BY priority DESC, ready_at LIMIT 1`;

export const DUE_OF_PRIORITY = `
  SELECT id, ready_at FROM fibers INDEXED BY fibers_ready
  WHERE owner IS NULL AND ready_at IS NOT NULL AND queue = ? AND fingerprint = ? AND priority = ? AND ready_at <= ?
  ORDER BY ready_at, id LIMIT ?`;

interface Lane {
  readonly queue: string;
  readonly fingerprint: string;
  priority: number;
  readyAt: number;
}

type Wanted = Pick<ClaimRequest, "queues" | "fingerprints">;

/** Moves a lane to its next lower priority; false when there is none. */
function descend(db: Connection, lane: Lane): boolean {
  const row = db.get(NEXT_PRIORITY, lane.queue, lane.fingerprint, lane.priority);
  if (row === undefined) return false;
  lane.priority = numberIn(row, "priority");
  lane.readyAt = numberIn(row, "ready_at");
  return true;
}

function lanesOf(db: Connection, { queues, fingerprints }: Wanted): Lane[] {
  const lanes: Lane[] = [];
  for (const queue of new Set(queues)) {
    for (const fingerprint of new Set(fingerprints)) {
      const lane = { queue: storable(queue), fingerprint, priority: Number.POSITIVE_INFINITY, readyAt: 0 };
      if (descend(db, lane)) lanes.push(lane);
    }
  }
  return lanes;
}

/** Ids of due fibers, best first. */
export function dueFibers(db: Connection, wanted: Wanted, now: number, limit: number): readonly number[] {
  let lanes = lanesOf(db, wanted);
  const ids: number[] = [];
  while (lanes.length > 0 && ids.length < limit) {
    const highest = Math.max(...lanes.map(({ priority }) => priority));
    const level = lanes.filter(({ priority }) => priority === highest);
    const room = limit - ids.length;
    const due = level.flatMap(({ queue, fingerprint, readyAt }) =>
      readyAt > now ? [] : db.all(DUE_OF_PRIORITY, queue, fingerprint, highest, now, room),
    );
    const found = due.map((row) => ({ id: numberIn(row, "id"), readyAt: numberIn(row, "ready_at") }));
    if (level.length > 1) found.sort((a, b) => a.readyAt - b.readyAt || a.id - b.id);
    for (const { id } of found.slice(0, room)) ids.push(id);
    lanes = lanes.filter((lane) => lane.priority !== highest || descend(db, lane));
  }
  return ids;
}

export function nextDue(db: Connection, wanted: Wanted): number | undefined {
  let next: number | undefined;
  for (let lanes = lanesOf(db, wanted); lanes.length > 0; lanes = lanes.filter((lane) => descend(db, lane))) {
    for (const { readyAt } of lanes) if (next === undefined || readyAt < next) next = readyAt;
  }
  return next;
}

const TAKE = "UPDATE fibers SET owner = ?, epoch = ?, deliveries = deliveries + 1 WHERE id = ?";
const READ_TAKEN = `
  SELECT ${FIBER_COLUMNS}, runs.metadata, runs.parent_run, runs.parent_fiber, runs.reply
  FROM fibers JOIN runs ON runs.id = fibers.run LEFT JOIN contexts ON contexts.fiber = fibers.id WHERE fibers.id = ?`;
const SHELVE = "UPDATE fibers SET owner = NULL, epoch = NULL, ready_at = NULL WHERE id = ?"; // of no run: damage, and no work
const START_RUN = "UPDATE runs SET status = 'running', started_at = ? WHERE id = ? AND status = 'pending'";

export function claim(work: Work, { worker, epoch, limit, ...wanted }: ClaimRequest): readonly LeasedFiber[] {
  const { db, now } = work;
  if (currentLease(db, { worker, epoch }) === undefined) return [];
  return dueFibers(db, wanted, now, limit).flatMap((id) => take(work, id, { worker, epoch }) ?? []);
}

/** Row by row: what cannot be decoded is taken too, for its worker to condemn, and holds up nobody else. */
function take(work: Work, id: number, lease: Lease): LeasedFiber | undefined {
  const { db } = work;
  db.run(TAKE, lease.worker, lease.epoch, id);
  const row = db.get(READ_TAKEN, id);
  if (row === undefined) {
    db.run(SHELVE, id);
    return undefined;
  }
  try {
    return taken(work, row);
  } catch (error) {
    if (!(error instanceof FlujoError)) throw error;
    return { ...bareFiber(row), state: undecodable(error.message), messages: [] };
  }
}

function taken({ db, now }: Work, row: unknown): LeasedFiber {
  const fiber = fiberRecord(row);
  if (fiber.seq === 0) db.run(START_RUN, now, fiber.run); // only a root that never moved can be the first of its run
  const names = namesIn(row);
  stopAwaiting(db, fiber.run, fiber.key, names);
  const parentRun = parentIn(row);
  return {
    ...fiber,
    fingerprint: fingerprintIn(row, "fingerprint"),
    metadata: metadataIn(row),
    ...(parentRun && { parentRun }),
    messages: messagesNamed(db, fiber.run, names),
  };
}
