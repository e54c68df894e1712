import type { Address } from "../setup/addresses.ts";
import { askPostgres } from "../setup/own-postgres.ts";

/** Handles as the stores give them to a step in a transaction, as far as it is used here. */
interface SqliteHandle {
  prepare(sql: string): { run(...values: readonly unknown[]): unknown };
}
interface PostgresHandle {
  query(text: string, values?: readonly unknown[]): Promise<unknown>;
}

/** Without a unique key on purpose: it must be the engine that writes each key once. */
const CREATE = "CREATE TABLE IF NOT EXISTS chaos_effects (key text NOT NULL, execution text NOT NULL)";

const isSqlite = (tx: unknown): tx is SqliteHandle => typeof tx === "object" && tx !== null && "prepare" in tx;

/** What a step in a transaction does to the outside: one row under its key. */
export async function write(tx: unknown, key: string, by: string): Promise<void> {
  if (isSqlite(tx)) tx.prepare("INSERT INTO chaos_effects VALUES (?, ?)").run(key, by);
  else await (tx as PostgresHandle).query("INSERT INTO public.chaos_effects VALUES ($1, $2)", [key, by]);
}

/** Makes the table, where the store has transactions. */
export async function prepare(address: Address): Promise<void> {
  if (address.kind === "postgres") await askPostgres(address.url, CREATE);
  else if (address.kind === "sqlite") await onSqlite(address.path, (database) => database.exec(CREATE));
}

/** All keys that were written, repeated ones as often as they were. */
export async function written(
  address: Address,
): Promise<readonly { readonly key: string; readonly execution: string }[]> {
  const all = "SELECT key, execution FROM chaos_effects";
  if (address.kind === "postgres") return (await askPostgres(address.url, all)) as { key: string; execution: string }[];
  if (address.kind !== "sqlite") return [];
  return onSqlite(address.path, (database) => database.prepare(all).all() as { key: string; execution: string }[]);
}

interface SqliteFile {
  exec(sql: string): unknown;
  prepare(sql: string): { all(): unknown };
  close(): unknown;
}

/** Does something to the file over a connection of its own. */
export async function onSqlite<T>(path: string, work: (database: SqliteFile) => T): Promise<T> {
  const { default: Database } = (await import("libsql")) as unknown as {
    default: new (path: string, options: { timeout: number }) => SqliteFile;
  };
  const database = new Database(path, { timeout: 10_000 });
  try {
    return work(database);
  } finally {
    database.close();
  }
}
