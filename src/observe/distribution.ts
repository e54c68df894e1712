/** Each bucket is 4 % wider than the one before: quantiles are right to 2 %, and 700 buckets reach from 1 µs to a month. */
const GROWTH = 1.04;
const LOG_GROWTH = Math.log(GROWTH);
const SMALLEST_MS = 0.001;

/** Quantiles of a duration in milliseconds. */
export interface Durations {
  readonly count: number;
  readonly sumMs: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

/** Durations counted in buckets that grow exponentially: memory is bounded whatever is recorded. */
export class Distribution {
  readonly #buckets = new Map<number, number>();
  #count = 0;
  #sum = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = 0;

  record(ms: number): void {
    const value = Number.isFinite(ms) ? Math.max(0, ms) : 0;
    const bucket = value <= SMALLEST_MS ? 0 : Math.ceil(Math.log(value / SMALLEST_MS) / LOG_GROWTH);
    this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + 1);
    this.#count += 1;
    this.#sum += value;
    this.#min = Math.min(this.#min, value);
    this.#max = Math.max(this.#max, value);
  }

  summary(): Durations {
    const sorted = [...this.#buckets].toSorted(([a], [b]) => a - b);
    return {
      count: this.#count,
      sumMs: this.#sum,
      minMs: this.#count === 0 ? 0 : this.#min,
      maxMs: this.#max,
      p50Ms: this.#quantile(sorted, 0.5),
      p95Ms: this.#quantile(sorted, 0.95),
      p99Ms: this.#quantile(sorted, 0.99),
    };
  }

  #quantile(sorted: readonly (readonly [bucket: number, count: number])[], q: number): number {
    const rank = Math.ceil(q * this.#count);
    let seen = 0;
    for (const [bucket, count] of sorted) {
      seen += count;
      if (seen < rank) continue;
      const middle = bucket === 0 ? 0 : SMALLEST_MS * GROWTH ** (bucket - 0.5);
      return Math.min(Math.max(middle, this.#min), this.#max);
    }
    return 0;
  }
}
