import { hostname } from "node:os";
import { randomFillSync } from "node:crypto";
import { type Ambient, type Clock, uuidV7 } from "../domain/ambient.ts";

const MAX_TIMER_MS = 2_147_483_647; // setTimeout takes a signed 32-bit number; longer ones fire at once

/** The system's clock. Timers marked idle do not keep the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, callback, { idle = false } = {}) {
    const timer = setTimeout(callback, Math.min(Math.max(0, Math.ceil(delayMs)), MAX_TIMER_MS));
    if (idle) timer.unref();
    return () => clearTimeout(timer);
  },
};

const chance = new Uint32Array(256);
let drawn = chance.length;

/** Uniform in [0, 1) from the operating system: ids of several processes must not collide. */
function secureRandom(): number {
  if (drawn === chance.length) {
    randomFillSync(chance);
    drawn = 0;
  }
  return (chance[drawn++] ?? 0) / 2 ** 32;
}

export const systemAmbient: Ambient = {
  clock: systemClock,
  random: secureRandom,
  newId: () => uuidV7(Date.now(), secureRandom),
  yieldTurn: () => new Promise((resolve) => setImmediate(resolve)),
};

/** Host and process, so that whoever reads a list of workers knows where to look. */
export const workerName = (unique: string): string =>
  `${hostname()
    .replace(/[^A-Za-z0-9._-]/g, "-")
    .slice(0, 60)}.${process.pid}.${unique.slice(-8)}`;
