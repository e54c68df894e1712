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

/**
 * The queue of ready fibers and the timer wheel: two heaps per queue name. A row that changes place gets a new ticket and a
 * new entry; its old entry is dropped when it surfaces.
 */
export class ReadyQueue {
  readonly #due = new Map<string, Heap>();
  readonly #later = new Map<string, Heap>();
  #order = 0;

  /** Queues a row that has a `readyAt` and no owner. */
  add(row: FiberRow, now: number): void {
    row.ticket += 1;
    if (row.readyAt === undefined) return;
    const entry: Entry = {
      row,
      ticket: row.ticket,
      readyAt: row.readyAt,
      priority: row.priority,
      order: this.#order++,
    };
    if (row.readyAt <= now) this.#dueHeap(row.queue).push(entry);
    else this.#laterHeap(row.queue).push(entry);
  }

  /** Takes the row out: it was claimed, or it ended. */
  remove(row: FiberRow): void {
    row.ticket += 1;
  }

  /** Up to `limit` due rows that `wanted` accepts, best first; the others stay queued. */
  take(queues: readonly string[], now: number, limit: number, wanted: (row: FiberRow) => boolean): FiberRow[] {
    const heaps = queues.map((queue) => this.#ripen(queue, now));
    const taken: FiberRow[] = [];
    const skipped: Entry[] = [];
    while (taken.length < limit) {
      const heap = heaps.reduce<Heap | undefined>((best, one) => bestOf(best, one), undefined);
      const entry = heap?.pop();
      if (entry === undefined) break;
      if (entry.ticket !== entry.row.ticket) continue;
      if (wanted(entry.row)) taken.push(entry.row);
      else skipped.push(entry);
    }
    for (const entry of skipped) this.#dueHeap(entry.row.queue).push(entry);
    return taken;
  }

  nextDue(queues: readonly string[], now: number): number | undefined {
    let next: number | undefined;
    for (const queue of queues) {
      const due = prune(this.#ripen(queue, now));
      const at = due === undefined ? prune(this.#laterHeap(queue))?.readyAt : due.readyAt;
      if (at !== undefined && (next === undefined || at < next)) next = at;
    }
    return next;
  }

  #ripen(queue: string, now: number): Heap {
    const later = this.#laterHeap(queue);
    const due = this.#dueHeap(queue);
    for (let entry = later.peek(); entry !== undefined && entry.readyAt <= now; entry = later.peek()) {
      later.pop();
      if (entry.ticket === entry.row.ticket) due.push(entry);
    }
    return due;
  }

  #dueHeap(queue: string): Heap {
    let heap = this.#due.get(queue);
    if (heap === undefined) this.#due.set(queue, (heap = new Heap(moreUrgent)));
    return heap;
  }

  #laterHeap(queue: string): Heap {
    let heap = this.#later.get(queue);
    if (heap === undefined) this.#later.set(queue, (heap = new Heap((a, b) => a.readyAt < b.readyAt)));
    return heap;
  }
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
