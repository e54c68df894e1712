import type { Observation, Observer } from "../ports/observer.ts";

/** More than this waiting means an observer cannot keep up: the oldest are dropped and counted. */
const MAX_QUEUED = 10_000;
/** After this many deliveries the event loop gets a turn: a full queue must not hold up the work that is observed. */
const DELIVERIES_PER_TURN = 256;
const GRACE_MS = 1_000;

/**
 * Hands observations to every observer, later and apart from the work: an observer that throws, rejects, hangs or is slow
 * changes nothing but its own queue (I12). Source: Fluxo, composite observer.
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

  /** Lets what is queued be delivered, for a moment; what comes later is dropped. */
  async close(): Promise<void> {
    await Promise.all(this.#queues.map((queue) => queue.close()));
  }
}

class ObserverQueue {
  readonly #observer: Observer;
  /** A ring once it is full: dropping the oldest costs the same however many wait (a shift of 10,000 did not). */
  #ring: (Observation | undefined)[] = [];
  #first = 0;
  #count = 0;
  #draining: Promise<void> | undefined;
  #closed = false;
  dropped = 0;

  constructor(observer: Observer) {
    this.#observer = observer;
  }

  push(observation: Observation): void {
    if (this.#closed) {
      this.dropped += 1;
      return;
    }
    this.#ring[(this.#first + this.#count) % MAX_QUEUED] = observation;
    if (this.#count < MAX_QUEUED) this.#count += 1;
    else {
      this.#first = (this.#first + 1) % MAX_QUEUED; // the newest has taken the place of the oldest
      this.dropped += 1;
    }
    this.#draining ??= this.#drain();
  }

  async close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const grace = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, GRACE_MS);
    });
    await Promise.race([this.#draining, grace]);
    clearTimeout(timer);
    this.#closed = true;
    this.dropped += this.#count;
    this.#count = 0;
    this.#ring = [];
  }

  #next(): Observation | undefined {
    if (this.#count === 0) return undefined;
    const next = this.#ring[this.#first];
    this.#ring[this.#first] = undefined;
    this.#first = (this.#first + 1) % MAX_QUEUED;
    this.#count -= 1;
    return next;
  }

  async #drain(): Promise<void> {
    await turn(); // never in the turn of the work that is observed
    let delivered = 0;
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      try {
        const slow = this.#observer.observe(next);
        if (slow !== undefined) await slow;
      } catch {
        this.dropped += 1; // an observer's failure is the observer's
      }
      if (++delivered % DELIVERIES_PER_TURN === 0) await turn();
    }
    this.#draining = undefined;
  }
}

const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });
