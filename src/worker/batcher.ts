import type { Ambient } from "../domain/ambient.ts";
import type { RunId } from "../domain/ids.ts";
import type { Capabilities } from "../ports/capabilities.ts";
import type { RunStore } from "../ports/store.ts";

interface Pending<Item, Answer> {
  readonly item: Item;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/** Fewer than twice this many are not worth a second batch: each costs a round trip and a sync of its own. */
const WORTH_SENDING = 16;

export interface BatcherOptions extends Pick<Capabilities, "gather" | "inFlight"> {
  readonly ambient: Ambient;
  readonly maxBatch: number;
}

/**
 * Collects what is asked for at about the same time and asks for it at once. An idle batcher sends within the same turn, so a
 * lone item pays no extra latency.
 *
 * With one batch under way at a time, a server rests while we work on its answers, and we while it works on our batch. With two
 * the sides take turns: all that waits is parted in halves, and each half travels on its own from then on. A second batch
 * leaves only when as many wait as half of what is under way; else a single item would run ahead of ninety-nine for ever.
 */
export class Batcher<Item, Answer> {
  readonly #send: (items: readonly Item[]) => Promise<readonly Answer[]>;
  readonly #schedule: () => void;
  readonly #maxBatch: number;
  readonly #maxInFlight: number;
  #waiting: Pending<Item, Answer>[] = [];
  /** Batches under way, and the items in them. */
  #batches = 0;
  #items = 0;
  #scheduled = false;

  constructor(
    send: (items: readonly Item[]) => Promise<readonly Answer[]>,
    { gather, inFlight, ambient, maxBatch }: BatcherOptions,
  ) {
    this.#send = send;
    this.#maxBatch = maxBatch;
    this.#maxInFlight = inFlight;
    const flush = (): void => this.#flush();
    this.#schedule = gather === "microtask" ? () => queueMicrotask(flush) : () => void ambient.yieldTurn().then(flush);
  }

  /** Resolves with the answer to this item; rejects when the whole batch failed. */
  add(item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      this.#soon();
    });
  }

  /** Takes back what has not been sent. */
  drop(answer: Answer): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve(answer);
  }

  get #mayLeave(): boolean {
    const waiting = this.#waiting.length;
    if (waiting === 0 || this.#batches >= this.#maxInFlight) return false;
    return this.#batches === 0 || (waiting >= WORTH_SENDING && waiting * 2 >= this.#items);
  }

  #soon(): void {
    if (this.#scheduled || !this.#mayLeave) return;
    this.#scheduled = true;
    this.#schedule();
  }

  #flush(): void {
    this.#scheduled = false;
    while (this.#mayLeave) this.#leave(this.#take());
  }

  #take(): readonly Pending<Item, Answer>[] {
    const waiting = this.#waiting.length;
    const parted = this.#batches === 0 && this.#maxInFlight > 1 && waiting >= 2 * WORTH_SENDING;
    const size = Math.min(this.#maxBatch, parted ? Math.ceil(waiting / 2) : waiting);
    const batch = size === waiting ? this.#waiting : this.#waiting.slice(0, size);
    this.#waiting = size === waiting ? [] : this.#waiting.slice(size);
    return batch;
  }

  #leave(batch: readonly Pending<Item, Answer>[]): void {
    this.#batches += 1;
    this.#items += batch.length;
    this.#send(batch.map(({ item }) => item)).then(
      (answers) => {
        for (let i = 0; i < batch.length; i++) batch[i]?.resolve(answers[i] as Answer);
        this.#arrived(batch.length);
      },
      (error: unknown) => {
        for (const { reject } of batch) reject(error);
        this.#arrived(batch.length);
      },
    );
  }

  #arrived(items: number): void {
    this.#batches -= 1;
    this.#items -= items;
    this.#soon();
  }
}

/**
 * A batcher for each part of the store, where it has parts: one that is down, or slow, holds up nobody in the others. `make` is
 * asked once for each part.
 */
export function byPartition<Item, Answer>(
  store: Pick<RunStore, "partitionOf">,
  make: () => Batcher<Item, Answer>,
): {
  readonly of: (run: RunId) => Batcher<Item, Answer>;
  readonly each: (visit: (one: Batcher<Item, Answer>) => void) => void;
} {
  const batchers = new Map<number, Batcher<Item, Answer>>();
  const at = (part: number): Batcher<Item, Answer> => {
    const known = batchers.get(part);
    if (known !== undefined) return known;
    const made = make();
    batchers.set(part, made);
    return made;
  };
  const only = store.partitionOf === undefined ? at(0) : undefined;
  return {
    of: (run) => only ?? at(store.partitionOf?.(run) ?? 0),
    each: (visit) => batchers.forEach(visit),
  };
}
