import type { Ambient } from "../domain/ambient.ts";
import type { Capabilities } from "../ports/capabilities.ts";

interface Pending<Item, Answer> {
  readonly item: Item;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Collects what is asked for at about the same time and asks for it at once: one batch under way, the next one gathering.
 * An idle batcher sends within the same turn, so a lone item pays no extra latency.
 */
export class Batcher<Item, Answer> {
  readonly #send: (items: readonly Item[]) => Promise<readonly Answer[]>;
  readonly #schedule: () => void;
  readonly #maxBatch: number;
  #waiting: Pending<Item, Answer>[] = [];
  #busy = false;
  #scheduled = false;

  constructor(
    send: (items: readonly Item[]) => Promise<readonly Answer[]>,
    {
      gather,
      ambient,
      maxBatch,
    }: { readonly gather: Capabilities["gather"]; readonly ambient: Ambient; readonly maxBatch: number },
  ) {
    this.#send = send;
    this.#maxBatch = maxBatch;
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

  #soon(): void {
    if (this.#busy || this.#scheduled || this.#waiting.length === 0) return;
    this.#scheduled = true;
    this.#schedule();
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#busy || this.#waiting.length === 0) return;
    this.#busy = true;
    const whole = this.#waiting.length <= this.#maxBatch;
    const batch = whole ? this.#waiting : this.#waiting.slice(0, this.#maxBatch);
    this.#waiting = whole ? [] : this.#waiting.slice(this.#maxBatch);
    this.#send(batch.map(({ item }) => item)).then(
      (answers) => {
        for (let i = 0; i < batch.length; i++) batch[i]?.resolve(answers[i] as Answer);
        this.#next();
      },
      (error: unknown) => {
        for (const { reject } of batch) reject(error);
        this.#next();
      },
    );
  }

  #next(): void {
    this.#busy = false;
    this.#soon();
  }
}
