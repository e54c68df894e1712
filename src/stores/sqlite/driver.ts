import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { FlujoError } from "../../domain/errors.ts";
import { storeError } from "./errors.ts";
import { packed, unnumbered } from "./statement.ts";

export type SqlValue = string | number | null | Uint8Array;

/** A prepared statement, by shape: better-sqlite3, libsql and node:sqlite fit as they are. */
export interface SqliteStatement {
  run(...values: SqlValue[]): { readonly changes: number | bigint };
  get(...values: SqlValue[]): unknown;
  all(...values: SqlValue[]): unknown[];
}

/** An open database, by shape: better-sqlite3, libsql and node:sqlite fit as they are. */
export interface SqliteDriver {
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
  close(): unknown;
}

/** A connection that prepares each statement once: every SQL text below is a constant, so the cache stays small. */
export class Connection {
  readonly driver: SqliteDriver;
  // One statement for each way of calling: in libsql 0.5 a `get` after an `all` of the same statement sees the old values.
  readonly #runs = new Map<string, SqliteStatement>();
  readonly #gets = new Map<string, SqliteStatement>();
  readonly #alls = new Map<string, SqliteStatement>();
  /** Undefined for databases that are not a file of ours to watch. */
  readonly path: string | undefined;
  readonly #owned: boolean;
  /** Whether each commit is synced to disk. */
  synced = false;

  constructor(driver: SqliteDriver, path: string | undefined, owned: boolean) {
    this.driver = driver;
    this.path = path;
    this.#owned = owned;
  }

  #statement(sql: string, cache: Map<string, SqliteStatement>): SqliteStatement {
    let statement = cache.get(sql);
    if (statement === undefined) {
      const prepare = (text: string): SqliteStatement => this.driver.prepare(text);
      statement = this.#owned ? packed(prepare(sql)) : unnumbered(sql, prepare);
      cache.set(sql, statement);
    }
    return statement;
  }

  /** Runs a statement that returns no rows; answers how many it changed. */
  run(sql: string, ...values: SqlValue[]): number {
    return Number(this.#statement(sql, this.#runs).run(...values).changes);
  }

  get(sql: string, ...values: SqlValue[]): unknown {
    return this.#statement(sql, this.#gets).get(...values) ?? undefined;
  }

  all(sql: string, ...values: SqlValue[]): readonly unknown[] {
    return this.#statement(sql, this.#alls).all(...values);
  }

  /** For text with several statements, and for pragmas that are set. */
  exec(sql: string): void {
    this.driver.exec(sql);
  }

  /** The whole operation or nothing of it. A database that another process holds too long is STORE_UNAVAILABLE. */
  write<T>(operation: () => T): T {
    try {
      this.run("BEGIN IMMEDIATE");
      const result = operation();
      this.run("COMMIT");
      return result;
    } catch (error) {
      this.rollback();
      throw storeError(error, this.path);
    }
  }

  /**
   * Like `write`, but answers before the disk has it: for leases, which say who works on what right now. They survive kill -9
   * like everything else, and a power failure ends the workers along with them. The next synced commit syncs them too.
   * Measured on a map with a window of 10: one sync in three was a claim.
   */
  writeLease<T>(operation: () => T): T {
    if (!this.synced) return this.write(operation);
    this.run("PRAGMA synchronous = NORMAL");
    try {
      return this.write(operation);
    } finally {
      this.run("PRAGMA synchronous = FULL");
    }
  }

  /** Reads without a lock, each statement on its own snapshot. */
  read<T>(operation: () => T): T {
    try {
      return operation();
    } catch (error) {
      throw storeError(error, this.path);
    }
  }

  rollback(): void {
    try {
      this.driver.exec("ROLLBACK");
    } catch {
      // No transaction is open: BEGIN itself failed, or SQLite has rolled back on its own (disk full, I/O error).
    }
  }

  /** Moves the log into the database file, so that what is left behind is one file. */
  checkpoint(): void {
    try {
      this.driver.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch {
      // Another process is reading or writing: it, or the next one to open the file, does the same.
    }
  }

  close(): void {
    for (const cache of [this.#runs, this.#gets, this.#alls]) cache.clear();
    if (this.#owned) this.driver.close();
  }
}

/** Opens a file with libsql. Creates the parent directory. */
export async function openFile(path: string, readonly: boolean): Promise<Connection> {
  const driver = await loadLibsql();
  if (path === ":memory:") return new Connection(new driver(path), undefined, true);
  try {
    if (!readonly) mkdirSync(dirname(path), { recursive: true });
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory() === true) throw new Error(`${path} is a directory`);
    if (readonly && stat === undefined) throw new Error(`${path} does not exist`);
    return new Connection(new driver(path), path, true);
  } catch (error) {
    throw new FlujoError("STORE_UNAVAILABLE", `cannot open the database ${path}`, { cause: error });
  }
}

type OpenDriver = new (path: string) => SqliteDriver;

/** The only place that knows a driver by name. */
async function loadLibsql(): Promise<OpenDriver> {
  try {
    const { default: Database } = await import("libsql");
    return Database as unknown as OpenDriver; // its own types say less than the driver does
  } catch (error) {
    throw new FlujoError("DEPENDENCY_MISSING", "the SQLite store needs its driver: npm i libsql", { cause: error });
  }
}
