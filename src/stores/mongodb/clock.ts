import { performance } from "node:perf_hooks";
import type { MongoDatabase } from "./driver.ts";

/** Then the server is asked again. Quartz drifts by some 10 ms in that time, a lease is 3,000. */
const STALE_MS = 60_000;

/**
 * The server's clock, as far as this process knows it: what the server said of the time, plus what has passed here since.
 * Decisions are made here and need the time before they write, so `$$NOW` would come too late. The error is half a round trip.
 */
export class ServerClock {
  readonly #db: MongoDatabase;
  #saidMs = 0;
  #heardAt = 0;
  /** By the system's clock, which also runs while the machine sleeps. */
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(db: MongoDatabase) {
    this.#db = db;
  }

  now(): number {
    return Math.round(this.#saidMs + performance.now() - this.#heardAt);
  }

  async sync(): Promise<void> {
    const before = performance.now();
    const { localTime } = (await this.#db.command({ hello: 1 })) as { readonly localTime: Date };
    const after = performance.now();
    this.#saidMs = localTime.getTime();
    this.#heardAt = (before + after) / 2;
    this.#askedAt = Date.now();
  }

  async syncIfStale(): Promise<void> {
    const age = Date.now() - this.#askedAt;
    if (age > STALE_MS || age < 0) await this.sync();
  }
}
