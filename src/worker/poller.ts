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

/** What is due by this clock and does not come may be due by another one: looked for again, but not as fast as we can. */
const AGAIN_MS = 1_000;
const MAX_BACKOFF_MS = 2_000;
/** What no due time tells, room in a governed queue whose hint was lost, is found by a claim now and then. */
const CLAIM_EVERY_MS = 30_000;

/**
 * Decides when to look for work: at once after a hint, when a known due time comes, when a slot becomes free and there was
 * more, and every `pollMs` as the safety net. One look at a time; hints that arrive meanwhile are answered by one more.
 *
 * The safety net asks only when something is due, one query, and claims every 30 s at least: with a net of 5 s an idle worker
 * asks 12 times and claims (and asks again) twice a minute. With its 30 heartbeats and 12 looks at schedules that makes 58
 * queries a minute, below one a second.
 */
export class Poller {
  readonly #store: Pick<Store, "subscribe" | "nextDue">;
  readonly #options: PollerOptions;
  #unsubscribe: (() => void) | undefined;
  #cancelTimer: (() => void) | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  /** The earliest due time that was told during a look, whose end sets the timer anew. */
  #wanted = Number.POSITIVE_INFINITY;
  /** When nothing but the safety net made it look, the look begins with a question. */
  #asks = false;
  #claimedAt = Number.NEGATIVE_INFINITY;
  /** A poll without a free slot, after one that failed, is over before its promise is there: the promise cannot say it is. */
  #busy = false;
  #polling: Promise<void> | undefined;
  #again = false;
  /** The last claim filled every free slot, or a hint came while there was none: there may be more. */
  #more = false;
  #failures = 0;
  #stopped = true;

  constructor(store: Pick<Store, "subscribe" | "nextDue">, options: PollerOptions) {
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
    this.#look(false);
  }

  slotFreed(): void {
    if (this.#more) this.wake();
  }

  /** Something becomes due then. */
  wakeAt(at: number): void {
    if (this.#busy) this.#wanted = Math.min(this.#wanted, at);
    else if (at < this.#timerAt) this.#setTimer({ at, asks: false });
  }

  #look(asks: boolean): void {
    if (this.#stopped) return;
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    this.#asks = asks;
    this.#polling = this.#poll();
  }

  async #poll(): Promise<void> {
    const next = (this.#asks ? await this.#ask() : undefined) ?? (await this.#claim());
    this.#busy = false;
    if (this.#stopped) return;
    if (this.#again) return this.wake();
    this.#setTimer(this.#wanted < next.at ? { at: this.#wanted, asks: false } : next);
    this.#wanted = Number.POSITIVE_INFINITY;
  }

  /** Whether there is anything to claim; if not, when to look again. */
  async #ask(): Promise<Look | undefined> {
    const { ambient, failed, request } = this.#options;
    const { clock } = ambient;
    if (clock.monotonic() - this.#claimedAt >= CLAIM_EVERY_MS || request().limit === 0) return undefined;
    try {
      const due = await this.#store.nextDue(request());
      if (this.#again || (due !== undefined && due <= clock.now())) return undefined;
      return this.#nextLook(due);
    } catch (error) {
      failed(error);
      return this.#nextLook(undefined);
    }
  }

  async #claim(): Promise<Look> {
    const { clock } = this.#options.ambient;
    let idle = false;
    let lookedAt = clock.now();
    await this.#options.ambient.yieldTurn(); // fibers end by the batch: one claim for all the slots that this turn frees
    do {
      lookedAt = clock.now();
      this.#claimedAt = clock.monotonic();
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
    return this.#failures > 0 ? { at: this.#backOff(), asks: false } : this.#afterClaim(idle, lookedAt);
  }

  #backOff(): number {
    const { ambient } = this.#options;
    const ceiling = Math.min(50 * 2 ** this.#failures, MAX_BACKOFF_MS);
    return ambient.clock.now() + ceiling * (0.5 + ambient.random() / 2);
  }

  async #afterClaim(idle: boolean, lookedAt: number): Promise<Look> {
    const { ambient, pollMs, request } = this.#options;
    if (!idle) {
      const next = this.#nextLook(undefined);
      return this.#timerAt < next.at ? { at: this.#timerAt, asks: false } : next;
    }
    try {
      const due = await this.#store.nextDue(request());
      // What was due when we looked and did not come is not for us (another version's): it must not make us spin.
      if (due === undefined || due > lookedAt) return this.#nextLook(due);
      return { at: ambient.clock.now() + Math.min(pollMs, AGAIN_MS), asks: false };
    } catch (error) {
      this.#options.failed(error);
      return this.#nextLook(undefined);
    }
  }

  #nextLook(due: number | undefined): Look {
    const latest = this.#options.ambient.clock.now() + this.#options.pollMs;
    return due === undefined || due > latest ? { at: latest, asks: true } : { at: due, asks: false };
  }

  #setTimer({ at, asks }: Look): void {
    if (this.#stopped) return;
    this.#cancelTimer?.();
    this.#timerAt = at;
    this.#cancelTimer = this.#options.ambient.clock.after(
      Math.max(0, at - this.#options.ambient.clock.now()),
      () => {
        this.#timerAt = Number.POSITIVE_INFINITY;
        this.#look(asks);
      },
      { idle: true },
    );
  }
}

/** When to look next, and whether a question is enough. */
interface Look {
  readonly at: number;
  readonly asks: boolean;
}
