import { type FSWatcher, watch } from "node:fs";
import type { WakeHint } from "../../ports/store.ts";
import type { Connection } from "./driver.ts";
import { numberIn } from "./rows.ts";

/** A commit touches the log several times; looking more often than this tells nothing new. */
const SETTLE_MS = 5;

/**
 * Who waits for news of this store. Commits of this process are told directly; those of others show as a change of the
 * write-ahead log, and `PRAGMA data_version` says whether the change was somebody else's. Best effort: polling is the safety net.
 */
export class Hints {
  readonly #db: Connection;
  readonly #listeners = new Set<(hint: WakeHint) => void>();
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #version = 0;

  constructor(db: Connection) {
    this.#db = db;
  }

  subscribe(wake: (hint: WakeHint) => void): () => void {
    const listener = (hint: WakeHint): void => wake(hint);
    this.#listeners.add(listener);
    this.#watch();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.close();
    };
  }

  tell(hint: WakeHint | undefined): void {
    if (hint === undefined) return;
    for (const listener of this.#listeners) listener(hint);
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #watch(): void {
    if (this.#watcher !== undefined || this.#db.path === undefined) return;
    try {
      this.#version = this.#dataVersion();
      this.#watcher = watch(`${this.#db.path}-wal`, { persistent: false }, () => this.#touched());
      this.#watcher.on("error", () => this.close()); // the file system cannot watch: pollers notice by themselves
    } catch {
      this.#watcher = undefined; // no log yet, or no inotify handles left: pollers notice by themselves
    }
  }

  #touched(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#look();
    }, SETTLE_MS);
    this.#timer.unref();
  }

  #look(): void {
    let version: number;
    try {
      version = this.#dataVersion();
    } catch {
      return; // locked or closed meanwhile: the next touch looks again
    }
    if (version === this.#version) return;
    this.#version = version;
    this.tell({ ready: true, runs: [] });
  }

  /** Changes only by commits of other connections. */
  #dataVersion(): number {
    return numberIn(this.#db.get("PRAGMA data_version"), "data_version");
  }
}
