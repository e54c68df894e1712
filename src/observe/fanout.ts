import type { Observation, Observer } from "../ports/observer.ts";

/** More than this waiting means an observer cannot keep up: the oldest are dropped and counted. */
const MAX_QUEUED = 10_000;

/**
 * Hands observations to every observer, later and apart from the work: an observer that throws, rejects or is slow changes
 * nothing but its own queue (I12). Source: Fluxo, composite observer.
 */
export class Fanout implements Observer {
  readonly #queues: readonly ObserverQueue[];

  constructor(observers: readonly Observer[]) {
    this.#queues = observers.map((observer) => new ObserverQueue(observer));
  }

  observe(observation: Observation): void {
    for (const queue of this.#queues) queue.push(observation);
  }

  /** Observations that were not delivered because an observer was slow or failed. */
  get dropped(): number {
    return this.#queues.reduce((sum, { dropped }) => sum + dropped, 0);
  }

  /** Lets what is queued be delivered, for a moment. */
  async close(): Promise<void> {
    await Promise.all(this.#queues.map((queue) => queue.close()));
  }
}

const GRACE_MS = 1_000;

class ObserverQueue {
  readonly #observer: Observer;
  #queued: Observation[] = [];
  #draining: Promise<void> | undefined;
  dropped = 0;

  constructor(observer: Observer) {
    this.#observer = observer;
  }

  push(observation: Observation): void {
    if (this.#queued.length >= MAX_QUEUED) {
      this.#queued.shift();
      this.dropped += 1;
    }
    this.#queued.push(observation);
    this.#draining ??= this.#drain();
  }

  async close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const grace = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, GRACE_MS);
    });
    await Promise.race([this.#draining, grace]);
    clearTimeout(timer);
    this.dropped += this.#queued.length;
    this.#queued = [];
  }

  async #drain(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve)); // never in the turn of the work that is observed
    for (let next = this.#queued.shift(); next !== undefined; next = this.#queued.shift()) {
      try {
        await this.#observer.observe(next);
      } catch {
        this.dropped += 1; // an observer's failure is the observer's
      }
    }
    this.#draining = undefined;
  }
}
