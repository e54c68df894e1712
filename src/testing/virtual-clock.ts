import { type Ambient, type Clock, uuidV7 } from "../domain/ambient.ts";
import { seededRandom } from "./random.ts";
import { Timers } from "./timers.ts";

/** 2027-01-15T08:00:00Z: any fixed instant will do, and this one is easy to recognise in a failure. */
export const VIRTUAL_START: number = Date.UTC(2027, 0, 15, 8);

/** More timers than this between two instants of a test means that something sets them again and again. */
const MAX_TIMERS = 1_000_000;

/**
 * A clock that stands still until a test moves it. Timers ring when time reaches them, each at its own instant, so nothing
 * in a test ever sleeps. Source: xstate, SimulatedClock; Fluxo §11, deterministic tests.
 */
export class VirtualClock implements Clock {
  readonly #timers = new Timers();
  #nowMs: number;
  /** By how much it was set back in all. */
  #backMs = 0;

  constructor(start: Date | number = VIRTUAL_START) {
    this.#nowMs = Number(start);
  }

  now(): number {
    return this.#nowMs;
  }

  monotonic(): number {
    return this.#nowMs + this.#backMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = this.#timers.add(this.#nowMs + Math.max(0, delayMs), callback);
    return () => {
      timer.cancelled = true;
    };
  }

  /** When the next timer rings, in milliseconds since the epoch; undefined = none is set. */
  nextAt(): number | undefined {
    return this.#timers.peek()?.at;
  }

  /** Moves to the next timer and rings it. Answers false when none is set. */
  step(): boolean {
    const timer = this.#timers.pop();
    if (timer === undefined) return false;
    this.#nowMs = Math.max(this.#nowMs, timer.at);
    timer.callback();
    return true;
  }

  /** Moves time forward by `ms`, ringing what falls due on the way; between two timers the work they started goes on. */
  async advance(ms: number): Promise<void> {
    const until = this.#nowMs + ms;
    await macrotask();
    for (let at = this.nextAt(); at !== undefined && at <= until; at = this.nextAt()) {
      this.step();
      await macrotask();
    }
    this.#nowMs = Math.max(this.#nowMs, until);
  }

  /**
   * Rings timers, one after another, until none is left or `untilMs` of virtual time have passed; answers how much did.
   * Heartbeats set themselves again and again: with a running worker, give a bound.
   */
  async runUntilIdle({ untilMs = Number.POSITIVE_INFINITY }: { readonly untilMs?: number } = {}): Promise<number> {
    const start = this.#nowMs;
    await macrotask();
    for (let rung = 0; rung < MAX_TIMERS; rung++) {
      const at = this.nextAt();
      if (at === undefined || at > start + untilMs) return this.#nowMs - start;
      this.step();
      await macrotask();
    }
    throw new Error(`${MAX_TIMERS} timers rang and more are set: give runUntilIdle a bound, { untilMs }`);
  }

  /**
   * Sets the clock, forwards or backwards, as an operator or NTP does. Timers keep the span they had left, except those that a
   * jump forwards passes: they ring at once, late, as after a machine slept.
   */
  jump(ms: number): void {
    this.#nowMs += ms;
    if (ms < 0) {
      this.#backMs -= ms;
      return this.#timers.shift(ms);
    }
    for (let at = this.nextAt(); at !== undefined && at <= this.#nowMs; at = this.nextAt()) this.step();
  }
}

/** Lets everything that is ready to go on do so: all promise reactions, and what they start. */
export const macrotask = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export interface VirtualAmbientOptions {
  /** Default 1. */
  readonly seed?: number;
  readonly start?: Date | number;
  /** Default: a new clock at `start`. */
  readonly clock?: VirtualClock;
  /** How the engine lets others have a turn. Default: one turn of the event loop. */
  readonly yieldTurn?: () => Promise<void>;
}

/** Time, chance and ids from a seed: pass it as `new Flujo({ ambient })`, and a run is the same every time. */
export function virtualAmbient({
  seed = 1,
  start = VIRTUAL_START,
  clock = new VirtualClock(start),
  yieldTurn = macrotask,
}: VirtualAmbientOptions = {}): Ambient & { readonly clock: VirtualClock } {
  const random = seededRandom(seed);
  const ids = random.fork().next;
  return { clock, random: random.next, newId: () => uuidV7(clock.now(), ids), yieldTurn };
}
