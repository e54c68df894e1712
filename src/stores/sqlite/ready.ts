import type { Offered } from "../../ports/queue-rules.ts";
import type { ClaimRequest } from "../../ports/queue.ts";
import { storable } from "../../ports/stored-text.ts";
import type { Connection } from "./driver.ts";
import { numberIn } from "./rows.ts";

/*
 * A claim of free queues reads the partial index `fibers_ready` (queue, fingerprint, priority DESC, ready_at) and nothing else until it knows
 * which rows it takes. Per queue and definition it jumps from one priority to the next lower one, and within a priority it
 * reads due rows only. So neither parked fibers (not in the index), nor future timers (behind the due ones of their
 * priority), nor the work of other definitions cost anything: it reads as many entries as it returns, plus one per priority.
 */

export const NEXT_PRIORITY = `
  SELECT priority, ready_at FROM fibers INDEXED BY fibers_ready
  WHERE owner IS NULL AND ready_at IS NOT NULL AND turn IS NULL AND queue = ? AND fingerprint = ? AND priority < ?
  ORDER BY priority DESC, ready_at LIMIT 1`;

export const DUE_OF_PRIORITY = `
  SELECT id, ready_at FROM fibers INDEXED BY fibers_ready
  WHERE owner IS NULL AND ready_at IS NOT NULL AND turn IS NULL AND queue = ? AND fingerprint = ? AND priority = ? AND ready_at <= ?
  ORDER BY ready_at, id LIMIT ?`;

interface Lane {
  readonly queue: string;
  readonly fingerprint: string;
  priority: number;
  readyAt: number;
}

export type Wanted = Pick<ClaimRequest, "queues" | "fingerprints">;

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

/** A row that is due. */
export interface Due extends Offered {
  readonly id: number;
}

/** Due rows that no governed queue has marked, best first. */
export function dueFibers(db: Connection, wanted: Wanted, now: number, limit: number): readonly Due[] {
  let lanes = lanesOf(db, wanted);
  const taken: Due[] = [];
  while (lanes.length > 0 && taken.length < limit) {
    const highest = Math.max(...lanes.map(({ priority }) => priority));
    const level = lanes.filter(({ priority }) => priority === highest);
    const room = limit - taken.length;
    const due = level.flatMap(({ queue, fingerprint, readyAt }) =>
      readyAt > now ? [] : db.all(DUE_OF_PRIORITY, queue, fingerprint, highest, now, room),
    );
    const found = due.map((row) => ({
      id: numberIn(row, "id"),
      priority: highest,
      readyAt: numberIn(row, "ready_at"),
    }));
    if (level.length > 1) found.sort((a, b) => a.readyAt - b.readyAt || a.id - b.id);
    taken.push(...found.slice(0, room));
    lanes = lanes.filter((lane) => lane.priority !== highest || descend(db, lane));
  }
  return taken;
}

/** When the next of them is due. */
export function nextFree(db: Connection, wanted: Wanted): number | undefined {
  let next: number | undefined;
  for (let lanes = lanesOf(db, wanted); lanes.length > 0; lanes = lanes.filter((lane) => descend(db, lane))) {
    for (const { readyAt } of lanes) if (next === undefined || readyAt < next) next = readyAt;
  }
  return next;
}
