// What a database takes on disk: all tables of whoever made it, with their indexes and what Postgres keeps out of line.
import { statSync } from "node:fs";

const ALL_TABLES = `
  SELECT sum(pg_total_relation_size(pg_class.oid))::float8 AS bytes
  FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
  WHERE relkind = 'r' AND nspname NOT IN ('pg_catalog', 'information_schema')`;

/** Runs one query on the Postgres at `url`; answers its first row. */
export async function firstRow(url, query) {
  const { default: pg } = await import("pg");
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(query)).rows[0];
  } finally {
    await client.end();
  }
}

export const postgresBytes = async (url) => (await firstRow(url, ALL_TABLES)).bytes;

/** Of a file whose write-ahead log was written back. */
export const sqliteBytes = (path) => statSync(path).size;
