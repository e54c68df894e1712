import type { Random } from "../random.ts";

/** What becomes of one call to the store. */
export type Fate =
  | "arrives"
  | "refused" // the error comes before anything was applied
  | "unanswered" // applied, but the caller is told of an error: the acknowledgement was lost
  | "repeated" // the network delivers it twice; the caller hears the first answer
  | "late"; // the caller is told of an error first, and the call is applied after that

/** How bad it gets, each the probability per call, or the mean number of events per minute of virtual time. */
export interface Rates {
  readonly refused: number;
  readonly unanswered: number;
  readonly repeated: number;
  readonly late: number;
  /** A call takes up to four seconds: longer than a lease. */
  readonly slow: number;
  readonly deathsPerMinute: number;
  /** A process is told to stop and drains: a deployment. */
  readonly stopsPerMinute: number;
  readonly pausesPerMinute: number;
  readonly clockJumpsPerMinute: number;
  readonly sweepsPerMinute: number;
  /** How far the clock of a process may be off, in milliseconds. */
  readonly skewMs: number;
  /** Probability that a hint of the store does not arrive. */
  readonly hintsLost: number;
}

const CALM: Rates = {
  refused: 0,
  unanswered: 0,
  repeated: 0,
  late: 0,
  slow: 0,
  deathsPerMinute: 0,
  stopsPerMinute: 0,
  pausesPerMinute: 0,
  clockJumpsPerMinute: 0,
  sweepsPerMinute: 0,
  skewMs: 0,
  hintsLost: 0,
};

/** One world in eight is calm: what goes wrong there is wrong by itself. Others mix several kinds of trouble. */
export function drawRates(random: Random): Rates {
  if (random.chance(0.125)) return CALM;
  const often = (probability: number, amount: number): number =>
    random.chance(probability) ? amount * (0.2 + random.next()) : 0;
  return {
    refused: often(0.5, 0.08),
    unanswered: often(0.5, 0.08),
    repeated: often(0.3, 0.05),
    late: often(0.2, 0.04),
    slow: often(0.3, 0.03),
    deathsPerMinute: often(0.5, 8),
    stopsPerMinute: often(0.3, 8),
    pausesPerMinute: often(0.5, 8),
    clockJumpsPerMinute: often(0.3, 6),
    sweepsPerMinute: often(0.3, 30),
    skewMs: often(0.3, 2_000),
    hintsLost: random.chance(0.5) ? random.next() : 0,
  };
}

/** Draws the trouble of one world, until it clears. Counts it: executions are bounded by it. */
export class Weather {
  readonly rates: Rates;
  readonly #random: Random;
  #clear = false;
  /** Everything that went wrong so far. */
  troubles = 0;

  constructor(random: Random, rates: Rates = drawRates(random)) {
    this.#random = random;
    this.rates = rates;
  }

  get clear(): boolean {
    return this.#clear;
  }

  /** Nothing goes wrong from now on; answers still take their time. */
  clearUp(): void {
    this.#clear = true;
  }

  fate(): Fate {
    if (this.#clear) return "arrives";
    const { refused, unanswered, repeated, late } = this.rates;
    let drawn = this.#random.next();
    for (const [fate, rate] of [
      ["refused", refused],
      ["unanswered", unanswered],
      ["repeated", repeated],
      ["late", late],
    ] as const) {
      if (drawn < rate) {
        this.troubles += 1;
        return fate;
      }
      drawn -= rate;
    }
    return "arrives";
  }

  latencyMs(): number {
    if (!this.#clear && this.#random.chance(this.rates.slow)) {
      this.troubles += 1;
      return this.#random.int(500, 4_000);
    }
    return this.#random.int(1, 6);
  }

  hintArrives(): boolean {
    return this.#clear || !this.#random.chance(this.rates.hintsLost);
  }
}
