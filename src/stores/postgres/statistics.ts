import type { Database } from "./database.ts";

/** Rows that this process has written when it looks again: ten times as many each time, until autovacuum has long taken over. */
const LOOKS = [500, 5_000, 50_000];
const ANALYZE = "ANALYZE flujo.fibers, flujo.runs, flujo.events, flujo.messages, flujo.waits";

/**
 * The functions keep the plans of their first calls, made when the tables were empty and reading one whole was cheap: at a
 * million fibers such a plan took 1.5 s for one request to stop. New statistics make the server plan anew. Autovacuum would bring
 * them within a minute or so; a process that fills empty tables asks for them itself.
 */
export class Statistics {
  readonly #db: Database;
  #written = 0;
  #next = 0;
  #looking: Promise<void> = Promise.resolve();

  constructor(db: Database) {
    this.#db = db;
  }

  written(rows: number): void {
    this.#written += rows;
    const look = LOOKS[this.#next];
    if (look === undefined || this.#written < look) return;
    this.#next += 1;
    this.#looking = this.#db.queryOnce(ANALYZE).then(
      () => undefined,
      () => undefined, // autovacuum does the same, later
    );
  }

  async settled(): Promise<void> {
    await this.#looking;
  }
}
