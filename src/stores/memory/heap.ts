/** A row's place in a queue. It lets go of its row when the row leaves, so that nothing holds on to what is gone. */
export interface Entry<Row> {
  row: Row | undefined;
  readonly readyAt: number;
  readonly priority: number;
  readonly order: number;
  /** Where it is now. */
  heap: Heap<Row>;
}

const FEW = 64; // below that many, empty entries are not worth a walk

/** A binary heap. `sooner(a, b)` = a comes out before b. Entries without a row are dropped when they surface, or outnumber the others. */
export class Heap<Row> {
  #entries: Entry<Row>[] = [];
  #empty = 0;
  readonly #sooner: (a: Entry<Row>, b: Entry<Row>) => boolean;

  constructor(sooner: (a: Entry<Row>, b: Entry<Row>) => boolean) {
    this.#sooner = sooner;
  }

  /** Entries it holds, empty ones too. */
  get size(): number {
    return this.#entries.length;
  }

  /** The first entry that still has its row. */
  peek(): Entry<Row> | undefined {
    for (let top = this.#entries[0]; top !== undefined; top = this.#entries[0]) {
      if (top.row !== undefined) return top;
      this.#takeTop();
      this.#empty -= 1;
    }
    return undefined;
  }

  pop(): Entry<Row> | undefined {
    return this.peek() && this.#takeTop();
  }

  push(entry: Entry<Row>): void {
    entry.heap = this;
    const entries = this.#entries;
    entries.push(entry);
    this.#rise(entries.length - 1, entry);
  }

  /** Entries that have their row, in no order. */
  entries(): readonly Entry<Row>[] {
    return this.#entries.filter(({ row }) => row !== undefined);
  }

  /** Empties an entry of this heap: its row has gone elsewhere. */
  empty(entry: Entry<Row>): void {
    entry.row = undefined;
    this.#empty += 1;
    if (this.#empty > FEW && this.#empty * 2 > this.#entries.length) this.#compact();
  }

  #compact(): void {
    const kept = this.#entries.filter(({ row }) => row !== undefined);
    kept.sort((a, b) => (this.#sooner(a, b) ? -1 : 1)); // what is sorted is a heap
    this.#entries = kept;
    this.#empty = 0;
  }

  #rise(from: number, entry: Entry<Row>): void {
    const entries = this.#entries;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = entries[parent];
      if (above === undefined || !this.#sooner(entry, above)) break;
      entries[at] = above;
      at = parent;
    }
    entries[at] = entry;
  }

  #takeTop(): Entry<Row> | undefined {
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

/** The order of a queue: priority, then due time, then who came first. */
export function moreUrgent<Row>(a: Entry<Row>, b: Entry<Row>): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority;
  return a.readyAt === b.readyAt ? a.order < b.order : a.readyAt < b.readyAt;
}

/** The heap whose first entry is the more urgent one. */
export function bestOf<Row>(a: Heap<Row> | undefined, b: Heap<Row>): Heap<Row> | undefined {
  const [left, right] = [a?.peek(), b.peek()];
  if (right === undefined) return a;
  return left === undefined || moreUrgent(right, left) ? b : a;
}

/** Moves what has become due. */
export function ripen<Row>(due: Heap<Row>, later: Heap<Row>, now: number): Heap<Row> {
  for (let entry = later.peek(); entry !== undefined && entry.readyAt <= now; entry = later.peek()) {
    later.pop();
    due.push(entry);
  }
  return due;
}
