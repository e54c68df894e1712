import { type Entry, Heap } from "./heap.ts";
import type { FiberRow } from "./rows.ts";

/** What a worker claims from: queues, and definitions by fingerprint. */
export interface Wanted {
  readonly queues: readonly string[];
  readonly fingerprints: readonly string[];
}

/** Due rows and future ones of one queue and one definition. */
interface Lane {
  readonly due: Heap<FiberRow>;
  readonly later: Heap<FiberRow>;
}

/**
 * The queue of ready fibers and the timer wheel: two heaps per queue and definition, so that nobody walks over work that is
 * not for him. A row that changes place gets a new entry; its old one lets go of it and is dropped some time later.
 */
export class ReadyQueue {
  readonly #lanes = new Map<string, Lane>();
  #order = 0;

  /** Queues a row that has a `readyAt` and no owner. */
  add(row: FiberRow, now: number): void {
    this.remove(row);
    if (row.readyAt === undefined) return;
    const { readyAt, priority } = row;
    const { due, later } = this.#lane(row.queue, row.run.fingerprint);
    const heap = readyAt <= now ? due : later;
    row.entry = { row, readyAt, priority, order: this.#order++, heap };
    heap.push(row.entry);
  }

  /** Takes the row out: it was claimed, or it ended. */
  remove(row: FiberRow): void {
    row.entry?.heap.empty(row.entry);
    row.entry = undefined;
  }

  /** Up to `limit` due rows, best first. */
  take(wanted: Wanted, now: number, limit: number): FiberRow[] {
    const heaps = this.#lanesOf(wanted).map((lane) => ripen(lane, now));
    const taken: FiberRow[] = [];
    while (taken.length < limit) {
      const row = heaps.reduce<Heap<FiberRow> | undefined>(bestOf, undefined)?.pop()?.row;
      if (row === undefined) break;
      row.entry = undefined;
      taken.push(row);
    }
    return taken;
  }

  nextDue(wanted: Wanted, now: number): number | undefined {
    let next: number | undefined;
    for (const lane of this.#lanesOf(wanted)) {
      const at = (ripen(lane, now).peek() ?? lane.later.peek())?.readyAt;
      if (at !== undefined && (next === undefined || at < next)) next = at;
    }
    return next;
  }

  #lanesOf({ queues, fingerprints }: Wanted): Lane[] {
    return queues.flatMap((queue) =>
      fingerprints.flatMap((fingerprint) => this.#lanes.get(`${queue}\n${fingerprint}`) ?? []),
    );
  }

  #lane(queue: string, fingerprint: string): Lane {
    const name = `${queue}\n${fingerprint}`;
    let lane = this.#lanes.get(name);
    if (lane === undefined) {
      lane = { due: new Heap(moreUrgent), later: new Heap((a, b) => a.readyAt < b.readyAt) };
      this.#lanes.set(name, lane);
    }
    return lane;
  }
}

/** Moves what has become due. */
function ripen({ due, later }: Lane, now: number): Heap<FiberRow> {
  for (let entry = later.peek(); entry !== undefined && entry.readyAt <= now; entry = later.peek()) {
    later.pop();
    due.push(entry);
  }
  return due;
}

function moreUrgent(a: Entry<FiberRow>, b: Entry<FiberRow>): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority;
  return a.readyAt === b.readyAt ? a.order < b.order : a.readyAt < b.readyAt;
}

function bestOf(a: Heap<FiberRow> | undefined, b: Heap<FiberRow>): Heap<FiberRow> | undefined {
  const [left, right] = [a?.peek(), b.peek()];
  if (right === undefined) return a;
  return left === undefined || moreUrgent(right, left) ? b : a;
}
