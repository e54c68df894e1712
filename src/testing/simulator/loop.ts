import { Timers } from "../timers.ts";
import { macrotask, VIRTUAL_START } from "../virtual-clock.ts";

/** The virtual time of a whole cluster: one queue of everything that will happen. */
export class SimulationLoop {
  readonly #timers = new Timers();
  #nowMs = VIRTUAL_START;
  #events = 0;

  /** True time: clocks of processes may differ from it. */
  get now(): number {
    return this.#nowMs;
  }

  get events(): number {
    return this.#events;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = this.#timers.add(this.#nowMs + Math.max(0, delayMs), callback);
    return () => {
      timer.cancelled = true;
    };
  }

  /** Lets time pass until `done`, or until `untilMs` is reached: one event, then whatever it set in motion, then the next. */
  async run(untilMs: number, done: () => boolean): Promise<void> {
    await macrotask();
    while (!done()) {
      const next = this.#timers.peek();
      if (next === undefined || next.at > untilMs) break;
      this.#timers.pop();
      this.#nowMs = Math.max(this.#nowMs, next.at);
      this.#events += 1;
      next.callback();
      // Promise reactions run to their end here: an event sees the world as the one before has left it.
      await macrotask();
    }
    if (!done()) this.#nowMs = Math.max(this.#nowMs, untilMs);
  }
}
