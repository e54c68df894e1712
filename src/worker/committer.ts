import type { Ambient } from "../domain/ambient.ts";
import type { CommitOutcome, RunStore, Transition } from "../ports/store.ts";
import { Batcher } from "./batcher.ts";

/** More in one batch makes neighbours wait longer than it saves: an fsync is amortised a hundredfold at 100 already. */
const MAX_BATCH = 1_000;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 2_000;
const LOST: CommitOutcome = Object.freeze({ status: "lost" });

/**
 * Group commit: the transitions of all fibers advancing in this process, in one round trip per batch.
 *
 * A store that cannot be reached is no failure of a step: the batch is kept and sent again. After such a repeat `lost` may
 * mean that the first try did arrive; the worker then gives the fiber back and whoever claims it reads what was committed.
 */
export class Committer {
  readonly #store: Pick<RunStore, "commit" | "capabilities">;
  readonly #ambient: Ambient;
  readonly #onError: (error: unknown) => void;
  readonly #batcher: Batcher<Transition, CommitOutcome>;
  #closed = false;
  /** Ends the pause before the next try. */
  #endPause: (() => void) | undefined;

  constructor(store: Pick<RunStore, "commit" | "capabilities">, ambient: Ambient, onError: (error: unknown) => void) {
    this.#store = store;
    this.#ambient = ambient;
    this.#onError = onError;
    this.#batcher = new Batcher((batch) => this.#deliver(batch), {
      gather: store.capabilities.gather,
      ambient,
      maxBatch: MAX_BATCH,
    });
  }

  /** Resolves when the transition is durable, or refused. Never rejects; `lost` when closed before the store came back. */
  commit(transition: Transition): Promise<CommitOutcome> {
    return this.#closed ? Promise.resolve(LOST) : this.#batcher.add(transition);
  }

  /** Gives up on what could not be committed: the leases run out, and others go on from what is stored. */
  close(): void {
    this.#closed = true;
    this.#batcher.drop(LOST);
    this.#endPause?.();
  }

  async #deliver(batch: readonly Transition[]): Promise<readonly CommitOutcome[]> {
    for (let delayMs = FIRST_RETRY_MS; !this.#closed; delayMs = Math.min(delayMs * 2, MAX_RETRY_MS)) {
      try {
        return await this.#store.commit(batch);
      } catch (error) {
        this.#onError(error);
        const waitMs = delayMs * (0.5 + this.#ambient.random() / 2);
        if (!this.#closed) await this.#pause(waitMs);
      }
    }
    return batch.map(() => LOST);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#ambient.clock.after(ms, resolve);
      this.#endPause = () => {
        cancel();
        resolve();
      };
    });
  }
}
