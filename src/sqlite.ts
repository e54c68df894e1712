/** `flujo/sqlite`: the store in one SQLite file. */
export { sqliteStore, type SqliteStoreOptions } from "./stores/sqlite/open.ts";
export { sqliteVectors, type SqliteVectorOptions } from "./stores/sqlite/vectors.ts";
export type { SqliteDriver, SqliteStatement, SqlValue } from "./stores/sqlite/driver.ts";
