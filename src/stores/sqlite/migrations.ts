import { FlujoError } from "../../domain/errors.ts";
import { type MigrateOptions, type Migration, type MigrationReport, versionToReach } from "../../ports/migration.ts";
import type { Connection } from "./driver.ts";
import { isBusy, storeError } from "./errors.ts";
import { VERSION_2 } from "./kept-schema.ts";
import { numberIn } from "./rows.ts";
import { VERSION_1 } from "./schema.ts";

/** "Fluj" in the header of the file: says whose it is to `file`, to other programs and to us. */
export const APPLICATION_ID = 0x466c_756a;

/** In order; a released one is never changed. */
const MIGRATIONS: readonly (Migration & { readonly sql: string })[] = [
  { version: 1, title: "runs, fibers, events, messages and their queue", sql: VERSION_1 },
  { version: 2, title: "items and the quota ledger", sql: VERSION_2 },
];
export const SCHEMA_VERSION: number = MIGRATIONS.length;

export interface Preparation {
  /** Whether missing tables are made. */
  readonly migrate: boolean;
  readonly durability: "full" | "normal";
  readonly busyTimeoutMs: number;
  readonly readonly: boolean;
}

/** Makes a fresh connection ours: looks first, so that a file of another program is left byte for byte as it was. */
export function prepareDatabase(db: Connection, pragmas: Preparation, now: () => number): void {
  try {
    db.exec(`PRAGMA busy_timeout = ${pragmas.busyTimeoutMs}`);
    refuseOthers(db);
    if (pragmas.readonly) {
      db.exec("PRAGMA query_only = ON");
      if (versionOf(db) === 0)
        throw new FlujoError(
          "STORE_UNAVAILABLE",
          `${db.path ?? "the database"} has no tables yet; open it for writing first`,
        );
      return;
    }
    retryBusy(pragmas.busyTimeoutMs, () => db.exec("PRAGMA journal_mode = WAL"));
    // Said outright: drivers differ in what they leave unsaid (better-sqlite3 syncs a WAL only at checkpoints).
    db.exec(`PRAGMA synchronous = ${pragmas.durability === "full" ? "FULL" : "NORMAL"}`);
    db.synced = pragmas.durability === "full";
    db.exec("PRAGMA cache_size = -65536"); // 64 MB: the ready fibers and the tail of the events stay in memory
    db.exec("PRAGMA wal_autocheckpoint = 4000"); // 16 MB: a page that changes often is copied back a quarter as often
    if (pragmas.migrate) migrate(db, now);
  } catch (error) {
    throw storeError(error, db.path);
  }
}

/** Applies what is missing, under the write lock: of two processes that open a new file at once, the second finds it done. */
export function migrate(db: Connection, now: () => number, options: MigrateOptions = {}): MigrationReport {
  if (options.dryRun === true || versionOf(db) === SCHEMA_VERSION) return missing(db, options);
  return db.write(() => {
    const report = missing(db, options);
    for (const { version, sql } of report.steps) {
      if (version === 1) {
        db.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
        db.exec("CREATE TABLE migrations (version INTEGER PRIMARY KEY, applied_at REAL NOT NULL) STRICT");
      }
      db.exec(sql);
      db.run("INSERT INTO migrations (version, applied_at) VALUES (?, ?)", version, now());
    }
    return report;
  });
}

/** What is to be done. */
function missing(db: Connection, options: MigrateOptions): Report {
  refuseOthers(db);
  const from = versionOf(db);
  const to = versionToReach(options, { from, newest: SCHEMA_VERSION });
  return { from, to, steps: MIGRATIONS.slice(from, to) };
}

interface Report extends MigrationReport {
  readonly steps: readonly (Migration & { readonly sql: string })[];
}

function refuseOthers(db: Connection): void {
  const tables = numberIn(db.get("SELECT count(*) AS n FROM sqlite_schema"), "n");
  const application = numberIn(db.get("PRAGMA application_id"), "application_id");
  if (application !== APPLICATION_ID && (tables > 0 || application !== 0)) {
    throw new FlujoError(
      "STORE_FOREIGN",
      `${db.path ?? "the database"} belongs to another program (${tables} objects, application id ${application})`,
    );
  }
  const version = versionOf(db);
  if (version > SCHEMA_VERSION) {
    throw new FlujoError(
      "STORE_TOO_NEW",
      `${db.path ?? "the database"} has schema version ${version}; this flujo knows up to ${SCHEMA_VERSION}`,
    );
  }
}

function versionOf(db: Connection): number {
  const known = db.get("SELECT 1 AS yes FROM sqlite_schema WHERE name = 'migrations'");
  return known === undefined ? 0 : numberIn(db.get("SELECT coalesce(max(version), 0) AS n FROM migrations"), "n");
}

/** Changing the journal mode answers BUSY at once when another process does the same: SQLite's own timeout does not apply. */
function retryBusy(timeoutMs: number, action: () => void): void {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let waitedMs = 0; ; waitedMs += 10) {
    try {
      action();
      return;
    } catch (error) {
      if (!isBusy(error) || waitedMs >= timeoutMs) throw error;
      Atomics.wait(pause, 0, 0, 10);
    }
  }
}
