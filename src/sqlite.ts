/** `flujo/sqlite`: the store in one SQLite file. */
export { sqliteStore, type SqliteStoreOptions } from "./stores/sqlite/open.ts";
export type { SqliteDriver, SqliteStatement, SqlValue } from "./stores/sqlite/driver.ts";
