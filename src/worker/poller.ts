import type { Ambient } from "../domain/ambient.ts";
import type { ClaimRequest } from "../ports/queue.ts";
import type { Store } from "../ports/store.ts";

export interface PollerOptions {
  readonly ambient: Ambient;
  readonly pollMs: number;
  /** What to claim now; a limit of 0 = nothing. */
  readonly request: () => ClaimRequest;
  /** Claims and adopts; answers how many fibers came. */
  readonly claim: (request: ClaimRequest) => Promise<number>;
  readonly failed: (error: unknown) => void;
}

/**
 * Decides when to look for work: at once after a hint, when a known due time comes, when a slot becomes free and there was
 * more, and every `pollMs` as the safety net. One claim at a time; hints that arrive meanwhile are answered by one more.
 */
export class Poller {
  readonly #store: Store;
  readonly #options: PollerOptions;
  #unsubscribe: (() => void) | undefined;
  #cancelTimer: (() => void) | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  /** A poll without a free slot, after one that failed, is over before its promise is there: the promise cannot say it is. */
  #busy = false;
  #polling: Promise<void> | undefined;
  #again = false;
  /** The last claim filled every free slot, or a hint came while there was none: there may be more. */
  #more = false;
  #failures = 0;
  #stopped = true;

  constructor(store: Store, options: PollerOptions) {
    this.#store = store;
    this.#options = options;
  }

  start(): void {
    this.#stopped = false;
    this.#unsubscribe = this.#store.subscribe(({ ready }) => {
      if (ready) this.wake();
    });
    this.wake();
  }

  /** Looks no more. Resolves when the look under way is over, whose claim may still bring something. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe?.();
    this.#cancelTimer?.();
    await this.#polling;
  }

  wake(): void {
    if (this.#stopped) return;
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    this.#polling = this.#poll();
  }

  slotFreed(): void {
    if (this.#more) this.wake();
  }

  /** Something becomes due then. */
  wakeAt(at: number): void {
    if (at < this.#timerAt) this.#setTimer(at);
  }

  async #poll(): Promise<void> {
    const { clock } = this.#options.ambient;
    let idle = false;
    let lookedAt = clock.now();
    do {
      lookedAt = clock.now();
      this.#again = false;
      const request = this.#options.request();
      this.#more = request.limit === 0;
      if (request.limit === 0) break;
      try {
        const claimed = await this.#options.claim(request);
        this.#failures = 0;
        this.#more = claimed >= request.limit;
        idle = claimed === 0;
        if (this.#more) this.#again = true;
      } catch (error) {
        this.#failures += 1;
        this.#options.failed(error);
        break;
      }
    } while (this.#again && !this.#stopped);
    const next = this.#failures > 0 ? this.#backOff() : await this.#nextLook(idle, lookedAt);
    this.#busy = false;
    if (this.#stopped) return;
    if (this.#again) this.wake();
    else this.#setTimer(next);
  }

  #backOff(): number {
    const { ambient, pollMs } = this.#options;
    const ceiling = Math.min(50 * 2 ** this.#failures, Math.max(pollMs, 2_000));
    return ambient.clock.now() + ceiling * (0.5 + ambient.random() / 2);
  }

  async #nextLook(idle: boolean, lookedAt: number): Promise<number> {
    const { ambient, pollMs, request } = this.#options;
    const latest = ambient.clock.now() + pollMs;
    if (!idle) return Math.min(latest, this.#timerAt);
    try {
      const due = await this.#store.nextDue(request());
      // What was due when we looked and did not come is not for us (another version's): it must not make us spin.
      return due === undefined || due <= lookedAt ? latest : Math.min(latest, due);
    } catch (error) {
      this.#options.failed(error);
      return latest;
    }
  }

  #setTimer(at: number): void {
    if (this.#stopped) return;
    this.#cancelTimer?.();
    this.#timerAt = at;
    this.#cancelTimer = this.#options.ambient.clock.after(
      Math.max(0, at - this.#options.ambient.clock.now()),
      () => {
        this.#timerAt = Number.POSITIVE_INFINITY;
        this.wake();
      },
      { idle: true },
    );
  }
}
