import { type Ambient, type Clock, uuidV7 } from "../../src/domain/ambient.ts";
import type { Store } from "../../src/ports/store.ts";
import { seededRandom } from "./random.ts";

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

const START = Date.UTC(2030, 0, 1);
/** Turns of the event loop after which everything that needs no time has happened. SQLite works synchronously. */
const TURNS = 30;
const AWAKE_MS = 250;
/** What needs real time gets this much of it: opening a file, loading a driver. */
const REAL_MS = 3_000;

/** A clock that stands still until a test moves it. What is due already happens at the next turn of the event loop. */
export class VirtualClock implements Clock {
  readonly #timers = new Set<Timer>();
  #now = START;
  #underWay = 0;

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer: Timer = { at: this.#now + Math.max(0, delayMs), callback };
    this.#timers.add(timer);
    if (timer.at <= this.#now) setImmediate(() => this.#fire(timer));
    return () => void this.#timers.delete(timer);
  }

  /** Moves the time on at once, as when a machine was suspended: what became due in between is late. */
  async pass(ms: number): Promise<void> {
    this.#now += ms;
    for (const timer of [...this.#timers].sort((a, b) => a.at - b.at)) {
      if (timer.at <= this.#now) this.#fire(timer);
    }
    await this.#quiet();
  }

  /** Stands still until this is done, too: an answer from a server needs real time, but none of this clock's. */
  during<T>(work: Promise<T>): Promise<T> {
    this.#underWay += 1;
    return work.finally(() => (this.#underWay -= 1));
  }

  /** Lets time pass as it does for a process that is awake. */
  async goOn(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= AWAKE_MS) await this.pass(Math.min(left, AWAKE_MS));
  }

  /** Lets time pass from timer to timer until the promise has settled, at most `limitMs` of it. */
  async until<T>(promise: Promise<T>, limitMs = 1_000): Promise<T> {
    let settled = false;
    const done = (): void => void (settled = true);
    promise.then(done, done);
    const limit = this.#now + limitMs;
    const giveUp = Date.now() + REAL_MS;
    for (;;) {
      await this.#quiet();
      if (settled) return promise;
      const next = Math.min(...[...this.#timers].map(({ at }) => at));
      if (next <= limit) await this.pass(Math.max(0, next - this.#now));
      else if (Date.now() > giveUp) throw new Error(`expected it to happen within ${limitMs} ms of virtual time`);
      else await new Promise((resolve) => setTimeout(resolve, 1)); // a file is being opened, a module loaded
    }
  }

  /** Everything has happened that needs no time of this clock. */
  async #quiet(): Promise<void> {
    const giveUp = Date.now() + REAL_MS;
    await turns();
    while (this.#underWay > 0 && Date.now() < giveUp) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      await turns();
    }
  }

  #fire(timer: Timer): void {
    if (this.#timers.delete(timer)) timer.callback();
  }
}

/** Enough turns of the event loop for everything that needs no time. */
async function turns(): Promise<void> {
  for (let i = 0; i < TURNS; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** The same store; the clock stands still while it works. */
export function quietly(store: Store, clock: VirtualClock): Store {
  return new Proxy(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => {
        const answer: unknown = Reflect.apply(member, target, args);
        return answer instanceof Promise ? clock.during(answer) : answer;
      };
    },
  });
}

export function ambientOf(clock: Clock, seed = 1): Ambient {
  const random = seededRandom(seed);
  return {
    clock,
    random,
    newId: () => uuidV7(clock.now(), random),
    yieldTurn: () => new Promise((resolve) => setImmediate(resolve)),
  };
}
