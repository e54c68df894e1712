import type { HistoryEvent } from "../domain/event.ts";

/**
 * Where events may become visible out of order (see Capabilities): a commit that took its number first may be seen last, as late
 * as a statement may last. So the last of them are looked at again, not with every look but often enough for a reader.
 */
const SETTLED_AFTER_MS = 35_000;
const LOOK_AGAIN_MS = 1_000;

export interface TailOptions {
  readonly inOrder: boolean;
  readonly monotonic: () => number;
}

/** What of a run's history has not been read yet, each event once. */
export class Tail {
  readonly #read: (after: number) => Promise<readonly HistoryEvent[]>;
  readonly #options: TailOptions;
  /** The largest number seen, and one before which nothing can appear any more. */
  #seen = 0;
  #settled = 0;
  /** Numbers seen after that, with when. */
  readonly #recent = new Map<number, number>();
  #lookedAgainAt = Number.NEGATIVE_INFINITY;

  constructor(read: (after: number) => Promise<readonly HistoryEvent[]>, options: TailOptions) {
    this.#read = read;
    this.#options = options;
  }

  /** `last`: nothing more will come, so nothing may be left out. */
  async next({ last }: { readonly last: boolean }): Promise<readonly HistoryEvent[]> {
    const { inOrder, monotonic } = this.#options;
    const now = monotonic();
    const again = !inOrder && (last || now - this.#lookedAgainAt >= LOOK_AGAIN_MS);
    if (again) this.#lookedAgainAt = now;
    const events = await this.#read(again ? this.#settled : this.#seen);
    const fresh = events.filter(({ seq }) => !this.#recent.has(seq));
    for (const { seq } of fresh) {
      this.#seen = Math.max(this.#seen, seq);
      if (!inOrder) this.#recent.set(seq, now);
    }
    if (again) this.#settle(now);
    return fresh;
  }

  /** In the order of arrival: a late one keeps those before it open until it is old, too. */
  #settle(now: number): void {
    for (const [seq, at] of this.#recent) {
      if (now - at < SETTLED_AFTER_MS) return;
      this.#settled = Math.max(this.#settled, seq);
      this.#recent.delete(seq);
    }
  }
}
