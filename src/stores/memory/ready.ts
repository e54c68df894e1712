import { isGoverned, type QueueRules } from "../../ports/queue-rules.ts";
import { GovernedQueue, type Offer } from "./governed.ts";
import { bestOf, type Entry, Heap, moreUrgent, ripen } from "./heap.ts";
import type { FiberRow } from "./rows.ts";

/** What a worker claims from: queues, and definitions by fingerprint. */
export interface Wanted {
  readonly queues: readonly string[];
  readonly fingerprints: readonly string[];
}

/** Due rows and future ones of one free queue and one definition. */
interface Shelf {
  readonly queue: string;
  readonly due: Heap<FiberRow>;
  readonly later: Heap<FiberRow>;
}

/**
 * The queue of ready fibers and the timer wheel: two heaps per queue and definition, so that nobody walks over work that is
 * not for him. A row that changes place gets a new entry; its old one lets go of it and is dropped some time later.
 */
export class ReadyQueue {
  readonly #free = new Map<string, Shelf>();
  readonly #governed = new Map<string, GovernedQueue>();
  #order = 0;

  /** Queues a row that has a `readyAt` and no owner. */
  add(row: FiberRow, now: number): void {
    this.remove(row);
    if (row.readyAt === undefined) return;
    const { readyAt, priority } = row;
    const governed = this.#governed.get(row.queue);
    const heap = governed === undefined ? this.#heapOf(row, now) : governed.heapOf(row, now);
    row.entry = { row, readyAt, priority, order: this.#order++, heap };
    heap.push(row.entry);
  }

  /** Takes the row out: it was claimed, or it ended. */
  remove(row: FiberRow): void {
    row.entry?.heap.empty(row.entry);
    row.entry = undefined;
  }

  /** A waiting row that shall stop needs no turn. */
  hurry(row: FiberRow, now: number): boolean {
    if (row.entry === undefined || !this.isGoverned(row.queue)) return false;
    this.add(row, now);
    return true;
  }

  isGoverned(queue: string): boolean {
    return this.#governed.has(queue);
  }

  /** The row leaves the queue in which it was leased. Answers whether somebody may wait for its place. */
  free(row: FiberRow): boolean {
    const lane = row.place;
    row.place = undefined;
    return lane !== undefined && lane.queue.free(lane);
  }

  /** Sets rules, or frees the queue. `leased` = rows that somebody holds, of any queue. */
  govern(rules: QueueRules, leased: Iterable<FiberRow>, now: number): void {
    const { queue: name } = rules;
    const before = this.#governed.get(name);
    if (!isGoverned(rules)) {
      this.#governed.delete(name);
      this.#settle(before?.rows() ?? [], now);
    } else if (before === undefined) {
      const queue = new GovernedQueue(rules);
      this.#governed.set(name, queue);
      for (const row of leased) if (row.queue === name) queue.hold(row);
      this.#settle(this.#takeShelves(name), now);
    } else before.change(rules);
  }

  rules(): readonly QueueRules[] {
    return [...this.#governed.values()].map(({ rules }) => rules).sort((a, b) => (a.queue < b.queue ? -1 : 1));
  }

  /** Up to `limit` due rows, best first. */
  take(wanted: Wanted, now: number, limit: number): FiberRow[] {
    const offers = this.#offers(wanted, now);
    const taken: FiberRow[] = [];
    while (taken.length < limit) {
      let best: Offer | undefined;
      let first: Entry<FiberRow> | undefined;
      for (const offer of offers) {
        const entry = offer.peek();
        if (entry !== undefined && (first === undefined || moreUrgent(entry, first))) [best, first] = [offer, entry];
      }
      if (best === undefined || first?.row === undefined) break;
      taken.push(first.row);
      best.take();
    }
    for (const row of taken) row.entry = undefined;
    return taken;
  }

  nextDue(wanted: Wanted, now: number): number | undefined {
    let next: number | undefined;
    const count = (at: number | undefined): void => {
      if (at !== undefined && (next === undefined || at < next)) next = at;
    };
    for (const { due, later } of this.#shelvesOf(wanted))
      count((ripen(due, later, now).peek() ?? later.peek())?.readyAt);
    for (const queue of this.#governedOf(wanted)) count(queue.nextDue(wanted.fingerprints, now));
    return next;
  }

  #offers(wanted: Wanted, now: number): readonly Offer[] {
    const free = this.#shelvesOf(wanted).map(({ due, later }) => ripen(due, later, now));
    const governed = this.#governedOf(wanted).map((queue) => queue.offer(wanted.fingerprints, now));
    return free.length === 0 ? governed : [offerOf(free), ...governed];
  }

  #governedOf({ queues }: Wanted): readonly GovernedQueue[] {
    return this.#governed.size === 0 ? [] : [...new Set(queues)].flatMap((queue) => this.#governed.get(queue) ?? []);
  }

  #shelvesOf({ queues, fingerprints }: Wanted): Shelf[] {
    return queues.flatMap((queue) =>
      fingerprints.flatMap((fingerprint) => this.#free.get(`${queue}\n${fingerprint}`) ?? []),
    );
  }

  #heapOf({ queue, run, readyAt = 0 }: FiberRow, now: number): Heap<FiberRow> {
    const name = `${queue}\n${run.fingerprint}`;
    let shelf = this.#free.get(name);
    if (shelf === undefined) {
      shelf = { queue, due: new Heap(moreUrgent), later: new Heap((a, b) => a.readyAt < b.readyAt) };
      this.#free.set(name, shelf);
    }
    return readyAt <= now ? shelf.due : shelf.later;
  }

  /** Rows of a free queue, which it is no more. */
  #takeShelves(queue: string): readonly Entry<FiberRow>[] {
    const found = [...this.#free].filter(([, shelf]) => shelf.queue === queue);
    for (const [name] of found) this.#free.delete(name);
    return found.flatMap(([, { due, later }]) => [...due.entries(), ...later.entries()]);
  }

  /** Puts rows where they now belong, in the order in which they came. */
  #settle(entries: readonly Entry<FiberRow>[], now: number): void {
    for (const { row } of entries.toSorted((a, b) => a.order - b.order)) if (row !== undefined) this.add(row, now);
  }
}

/** All free queues together are one offer. */
function offerOf(heaps: readonly Heap<FiberRow>[]): Offer {
  const best = (): Heap<FiberRow> | undefined => heaps.reduce<Heap<FiberRow> | undefined>(bestOf, undefined);
  return { peek: () => best()?.peek(), take: () => void best()?.pop() };
}
