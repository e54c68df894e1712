import type { Ambient } from "../domain/ambient.ts";
import type { CommitOutcome, RunStore, Transition } from "../ports/store.ts";
import { Batcher, byPartition } from "./batcher.ts";

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
  readonly #store: Pick<RunStore, "commit" | "capabilities" | "partitionOf">;
  readonly #ambient: Ambient;
  readonly #onError: (error: unknown) => void;
  readonly #batchers: ReturnType<typeof byPartition<Transition, CommitOutcome>>;
  #closed = false;
  /** Each ends a pause before the next try. */
  readonly #pauses = new Set<() => void>();

  constructor(
    store: Pick<RunStore, "commit" | "capabilities" | "partitionOf">,
    ambient: Ambient,
    onError: (error: unknown) => void,
  ) {
    this.#store = store;
    this.#ambient = ambient;
    this.#onError = onError;
    const { gather, inFlight } = store.capabilities;
    const options = { gather, inFlight, ambient, maxBatch: MAX_BATCH };
    this.#batchers = byPartition(store, () => new Batcher((batch) => this.#deliver(batch), options));
  }

  /** Resolves when the transition is durable, or refused. Never rejects; `lost` when closed before the store came back. */
  commit(transition: Transition): Promise<CommitOutcome> {
    return this.#closed ? Promise.resolve(LOST) : this.#batchers.of(transition.run).add(transition);
  }

  /** Gives up on what could not be committed: the leases run out, and others go on from what is stored. */
  close(): void {
    this.#closed = true;
    this.#batchers.each((batcher) => batcher.drop(LOST));
    for (const endPause of this.#pauses) endPause();
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
      const end = (): void => {
        cancel();
        this.#pauses.delete(end);
        resolve();
      };
      const cancel = this.#ambient.clock.after(ms, end);
      this.#pauses.add(end);
    });
  }
}
