/**
 * Chance from a seed: the same seed gives the same choices on every machine, so a failure found by chance can be found again.
 * For tests only: mulberry32 has 32 bits of state and is no source of secrets.
 */
export interface Random {
  /** Uniform in [0, 1). Fits `Ambient.random`. */
  readonly next: () => number;
  /** A whole number, `from` to `to`, both included. */
  int(from: number, to: number): number;
  /** True with this probability. */
  chance(probability: number): boolean;
  /** One of the items, or undefined when there are none. */
  pick<T>(items: readonly T[]): T | undefined;
  /** The items in another order; the given array stays as it is. */
  shuffle<T>(items: readonly T[]): T[];
  /** An independent stream, so that one consumer cannot disturb the choices of another. */
  fork(): Random;
}

/** mulberry32 by Tommy Ettinger: 32 bits of state, full period, passes gjrand; 8 ns per number. */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Choices from a seed, which may be any number; only its lower 32 bits count. */
export function seededRandom(seed: number): Random {
  const next = mulberry32(seed);
  const int = (from: number, to: number): number => from + Math.floor(next() * (to - from + 1));
  return {
    next,
    int,
    chance: (probability) => next() < probability,
    pick: (items) => items[int(0, items.length - 1)],
    shuffle(items) {
      const rest = [...items];
      return items.flatMap(() => rest.splice(int(0, rest.length - 1), 1));
    },
    fork: () => seededRandom(int(0, 2 ** 32 - 1)),
  };
}
