import type { RunId } from "../../domain/ids.ts";
import type { WakeHint } from "../../ports/store.ts";
import type { Connection } from "./driver.ts";
import { numberIn } from "./rows.ts";

/** One write under way: its instant, the numbers it hands out, and what to tell subscribers once it is durable. */
export class Work {
  readonly db: Connection;
  readonly now: number;
  #lastEvent: number | undefined;
  #ready = false;
  readonly #runs = new Set<RunId>();

  constructor(db: Connection, now: number) {
    this.db = db;
    this.now = now;
  }

  /** Numbers grow across the store. The write lock is held, so one look at the table serves the whole batch. */
  nextEvent(): number {
    this.#lastEvent ??= numberIn(this.db.get("SELECT coalesce(max(seq), 0) AS n FROM events"), "n");
    return ++this.#lastEvent;
  }

  noteReady(): void {
    this.#ready = true;
  }

  noteRun(run: RunId): void {
    this.#runs.add(run);
  }

  hint(): WakeHint | undefined {
    return this.#ready || this.#runs.size > 0 ? { ready: this.#ready, runs: [...this.#runs] } : undefined;
  }
}
