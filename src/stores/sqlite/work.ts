import type { RunId } from "../../domain/ids.ts";
import type { WakeHint } from "../../ports/store.ts";
import type { Connection } from "./driver.ts";
import { numberIn, textIn } from "./rows.ts";

const PLACE_OF_FIBER =
  "SELECT 1 AS yes FROM fibers WHERE run = ? AND key = ? AND owner IS NOT NULL AND turn IS NOT NULL";
const PLACE_OF_RUN = "SELECT 1 AS yes FROM fibers WHERE run = ? AND owner IS NOT NULL AND turn IS NOT NULL LIMIT 1";

/** One write under way: its instant, the numbers it hands out, and what to tell subscribers once it is durable. */
export class Work {
  readonly db: Connection;
  readonly now: number;
  #lastEvent: number | undefined;
  #governed: ReadonlySet<string> | undefined;
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

  /** Whether the queue has rules. The write lock is held, so one look at the table serves the whole batch. */
  isGoverned(queue: string): boolean {
    return this.#governedNames().has(queue);
  }

  /** Rows are about to leave, all of the run or one: for a place that they hold in a governed queue somebody may wait. */
  noteLeaving(run: RunId, fiber?: string): void {
    if (this.#ready || this.#governedNames().size === 0) return; // once is enough
    const row = fiber === undefined ? this.db.get(PLACE_OF_RUN, run) : this.db.get(PLACE_OF_FIBER, run, fiber);
    if (row !== undefined) this.#ready = true;
  }

  #governedNames(): ReadonlySet<string> {
    return (this.#governed ??= new Set(
      this.db.all("SELECT queue FROM queue_rules").map((row) => textIn(row, "queue")),
    ));
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
