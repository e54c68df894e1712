/**
 * What engine code may know of the world besides its store: time, chance and a way to wait.
 * All of it is passed in, so that tests and the simulator own it (DESIGN §11).
 */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls back once after `delayMs`; the returned function cancels it. Never keeps the process alive by itself when `idle`. */
  after(delayMs: number, callback: () => void, options?: { readonly idle?: boolean }): () => void;
}

export interface Ambient {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** A new id that sorts by time; unique across processes. */
  readonly newId: () => string;
  /** Lets timers and I/O have a turn. */
  readonly yieldTurn: () => Promise<void>;
}

const HEX = "0123456789abcdef";

/** UUID version 7 without dashes would not be a UUID: keep the standard form. */
export function uuidV7(nowMs: number, random: () => number): string {
  const time = nowMs.toString(16).padStart(12, "0");
  let rest = "";
  for (let i = 0; i < 19; i++) rest += HEX[Math.floor(random() * 16)];
  const variant = HEX[8 + Math.floor(random() * 4)];
  return `${time.slice(0, 8)}-${time.slice(8)}-7${rest.slice(0, 3)}-${variant}${rest.slice(3, 6)}-${rest.slice(6, 18)}`;
}
