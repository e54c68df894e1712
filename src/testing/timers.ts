/** A timer on virtual time. */
export interface Timer {
  at: number;
  readonly order: number;
  readonly callback: () => void;
  cancelled: boolean;
}

const sooner = (a: Timer, b: Timer): boolean => (a.at === b.at ? a.order < b.order : a.at < b.at);

/** Timers by due time, those of one instant in the order they were set. A binary heap: a world sets thousands of them. */
export class Timers {
  readonly #heap: Timer[] = [];
  #order = 0;

  add(at: number, callback: () => void): Timer {
    const timer: Timer = { at, order: this.#order++, callback, cancelled: false };
    const heap = this.#heap;
    let index = heap.push(timer) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !sooner(timer, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = timer;
    return timer;
  }

  /** The next timer that is still wanted; it stays. */
  peek(): Timer | undefined {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (!first.cancelled) return first;
      this.#remove();
    }
    return undefined;
  }

  /** Takes the next timer out. */
  pop(): Timer | undefined {
    const first = this.peek();
    if (first !== undefined) this.#remove();
    return first;
  }

  /** Moves all timers by the same span: their order stays. */
  shift(ms: number): void {
    for (const timer of this.#heap) timer.at += ms;
  }

  #remove(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      let below = heap[child];
      if (below === undefined) break;
      const right = heap[child + 1];
      if (right !== undefined && sooner(right, below)) {
        child += 1;
        below = right;
      }
      if (!sooner(below, last)) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = last;
  }
}
