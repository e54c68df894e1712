import type { FiberRow } from "./rows.ts";

interface Entry {
  readonly row: FiberRow;
  readonly ticket: number;
  readonly readyAt: number;
  readonly priority: number;
  readonly order: number;
}

/** A binary heap. `sooner(a, b)` = a comes out before b. */
class Heap {
  readonly #entries: Entry[] = [];
  readonly #sooner: (a: Entry, b: Entry) => boolean;

  constructor(sooner: (a: Entry, b: Entry) => boolean) {
    this.#sooner = sooner;
  }

  get size(): number {
    return this.#entries.length;
  }

  peek(): Entry | undefined {
    return this.#entries[0];
  }

  push(entry: Entry): void {
    const entries = this.#entries;
    let at = entries.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = entries[parent];
      if (above === undefined || !this.#sooner(entry, above)) break;
      entries[at] = above;
      at = parent;
    }
    entries[at] = entry;
  }

  pop(): Entry | undefined {
    const entries = this.#entries;
    const top = entries[0];
    const last = entries.pop();
    if (top === undefined || last === undefined || entries.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      let below = entries[child];
      if (below === undefined) break;
      const right = entries[child + 1];
      if (right !== undefined && this.#sooner(right, below)) {
        child += 1;
        below = right;
      }
      if (!this.#sooner(below, last)) break;
      entries[at] = below;
      at = child;
    }
    entries[at] = last;
    return top;
  }
}

/** What a worker claims from: queues, and definitions by fingerprint. */
export interface Wanted {
  readonly queues: readonly string[];
  readonly fingerprints: readonly string[];
}

/** Due rows and future ones of one queue and one definition. */
interface Lane {
  readonly due: Heap;
  readonly later: Heap;
}

/**
 * The queue of ready fibers and the timer wheel: two heaps per queue and definition, so that nobody walks over work that is
 * not for him. A row that changes place gets a new ticket and a new entry; its old entry is dropped when it surfaces.
 */
export class ReadyQueue {
  readonly #lanes = new Map<string, Lane>();
  #order = 0;

  /** Queues a row that has a `readyAt` and no owner. */
  add(row: FiberRow, now: number): void {
    row.ticket += 1;
    if (row.readyAt === undefined) return;
    const { ticket, readyAt, priority } = row;
    const { due, later } = this.#lane(row.queue, row.run.fingerprint);
    (readyAt <= now ? due : later).push({ row, ticket, readyAt, priority, order: this.#order++ });
  }

  /** Takes the row out: it was claimed, or it ended. */
  remove(row: FiberRow): void {
    row.ticket += 1;
  }

  /** Up to `limit` due rows, best first. */
  take(wanted: Wanted, now: number, limit: number): FiberRow[] {
    const heaps = this.#lanesOf(wanted).map((lane) => ripen(lane, now));
    const taken: FiberRow[] = [];
    while (taken.length < limit) {
      const entry = heaps.reduce<Heap | undefined>(bestOf, undefined)?.pop();
      if (entry === undefined) break;
      taken.push(entry.row);
    }
    return taken;
  }

  nextDue(wanted: Wanted, now: number): number | undefined {
    let next: number | undefined;
    for (const lane of this.#lanesOf(wanted)) {
      const at = (prune(ripen(lane, now)) ?? prune(lane.later))?.readyAt;
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
function ripen({ due, later }: Lane, now: number): Heap {
  for (let entry = later.peek(); entry !== undefined && entry.readyAt <= now; entry = later.peek()) {
    later.pop();
    if (entry.ticket === entry.row.ticket) due.push(entry);
  }
  return due;
}

function moreUrgent(a: Entry, b: Entry): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority;
  return a.readyAt === b.readyAt ? a.order < b.order : a.readyAt < b.readyAt;
}

function prune(heap: Heap): Entry | undefined {
  for (let entry = heap.peek(); entry !== undefined; entry = heap.peek()) {
    if (entry.ticket === entry.row.ticket) return entry;
    heap.pop();
  }
  return undefined;
}

function bestOf(a: Heap | undefined, b: Heap): Heap | undefined {
  const left = a === undefined ? undefined : prune(a);
  const right = prune(b);
  if (right === undefined) return a;
  return left === undefined || moreUrgent(right, left) ? b : a;
}
