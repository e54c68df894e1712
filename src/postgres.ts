/** `flujo/postgres`: the store in one schema of a Postgres database. */
export { postgresStore, type PostgresStoreOptions } from "./stores/postgres/open.ts";
export { postgresVectors, type PostgresVectorOptions } from "./stores/postgres/vectors.ts";
export type { PgClient, PgNotification, PgPool, PgQuery, PgResult, Row } from "./stores/postgres/driver.ts";
export type { Profile } from "./stores/postgres/flags.ts";
