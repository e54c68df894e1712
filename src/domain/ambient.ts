/**
 * What engine code may know of the world besides its store: time, chance and a way to wait.
 * All of it is passed in, so that tests and the simulator own it (DESIGN §11).
 */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /**
   * Milliseconds since some fixed instant, for measuring spans: nobody sets it, so it never goes back. It may stand still while
   * the machine sleeps, which `now` does not.
   */
  monotonic(): number;
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

const hex = (random: () => number): string =>
  Math.floor(random() * 2 ** 32)
    .toString(16)
    .padStart(8, "0");

/** A UUID of version 7: sorts by time, 74 bits of chance. */
export function uuidV7(nowMs: number, random: () => number): string {
  const time = nowMs.toString(16).padStart(12, "0");
  const [a, b, c] = [hex(random), hex(random), hex(random)];
  const variant = (8 + (Number.parseInt(a.charAt(3), 16) & 3)).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${a.slice(0, 3)}-${variant}${a.slice(4, 7)}-${b}${c.slice(0, 4)}`;
}
