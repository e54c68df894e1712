import type { Clock } from "../../domain/ambient.ts";
import { FlujoError } from "../../domain/errors.ts";
import type { Store } from "../../ports/store.ts";
import { Connection, openFile, type SqliteDriver } from "./driver.ts";
import { prepareDatabase } from "./migrations.ts";
import { SqliteStore } from "./store.ts";

export interface SqliteStoreOptions {
  /** The database file; created with its directory when absent. Several processes may open one file. */
  readonly path?: string;
  /** An open database instead of a path: of better-sqlite3, libsql or node:sqlite. Its owner closes it, after the store. */
  readonly driver?: SqliteDriver;
  /** `full` (default): a resolved commit survives a power failure. `normal`: it survives kill -9, but not a power failure. */
  readonly durability?: "full" | "normal";
  /** The store's clock. Default: the system's. */
  readonly clock?: Pick<Clock, "now">;
  /** How long to wait for another process to let go of the file, in milliseconds. Default 5,000. */
  readonly busyTimeoutMs?: number;
  /** Whether missing tables are made when the store is opened. False: `migrate` does it, and until then nothing else works. Default true. */
  readonly migrate?: boolean;
  /** Only look: nothing is created or changed, and writing fails. Default false. */
  readonly readonly?: boolean;
}

/**
 * Opens a store in one SQLite file, and creates or upgrades its tables. Durable: a resolved commit has been synced to disk.
 *
 * Throws OPTION_INVALID, DEPENDENCY_MISSING (`npm i libsql`), STORE_UNAVAILABLE, STORE_CORRUPT, STORE_FOREIGN, STORE_TOO_NEW.
 *
 *   await using store = await sqliteStore({ path: "./flujo.db" });
 *
 * Source: Fluxo, SQLite backend.
 */
export async function sqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { path, driver, durability = "full", clock, busyTimeoutMs = 5_000, migrate = true, readonly = false } = options;
  if ((path === undefined) === (driver === undefined)) {
    throw new FlujoError(
      "OPTION_INVALID",
      "expected a path or a driver but found " + (path === undefined ? "neither" : "both"),
    );
  }
  if (durability !== "full" && durability !== "normal") {
    throw new FlujoError("OPTION_INVALID", `durability: expected full or normal but found "${String(durability)}"`);
  }
  if (!Number.isInteger(busyTimeoutMs) || busyTimeoutMs < 0) {
    throw new FlujoError(
      "OPTION_INVALID",
      `busyTimeoutMs: expected a whole number of milliseconds but found ${busyTimeoutMs}`,
    );
  }
  const db = driver === undefined ? await openFile(path ?? "", readonly) : new Connection(driver, undefined, false);
  try {
    prepareDatabase(db, { durability, busyTimeoutMs, migrate, readonly }, () => (clock ?? Date).now());
  } catch (error) {
    db.close();
    throw error;
  }
  return new SqliteStore(db, clock);
}
