import type { Clock } from "../../domain/ambient.ts";

interface Alarm {
  readonly at: number;
  readonly callback: () => void;
}

/** A clock that stands still until the test moves it. */
export class ManualClock implements Clock {
  #nowMs: number;
  #alarms: Alarm[] = [];

  constructor(nowMs = 1_800_000_000_000) {
    this.#nowMs = nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonic(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const alarm: Alarm = { at: this.#nowMs + delayMs, callback };
    this.#alarms.push(alarm);
    return () => {
      this.#alarms = this.#alarms.filter((other) => other !== alarm);
    };
  }

  /** Moves time forward and rings what falls due on the way, in order, each at its own instant. */
  advance(byMs: number): void {
    const until = this.#nowMs + byMs;
    for (;;) {
      const next = this.#alarms.filter((alarm) => alarm.at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#alarms = this.#alarms.filter((alarm) => alarm !== next);
      this.#nowMs = Math.max(this.#nowMs, next.at);
      next.callback();
    }
    this.#nowMs = until;
  }
}
