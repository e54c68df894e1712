import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Clock } from "../../src/domain/ambient.ts";
import type { Store } from "../../src/ports/store.ts";
import { postgresStore } from "../../src/postgres.ts";
import { shardedStore } from "../../src/sharded.ts";
import { storeConformance } from "../../src/testing/conformance/conformance.ts";
import type { UnderTest } from "../../src/testing/conformance/under-test.ts";
import { freshSchema, type SharedServer, sharedServer, titled } from "../setup/servers.ts";
import { emptying } from "./postgres-cases.ts";
import { modelSize } from "./model-size.ts";

const postgres = await sharedServer("postgres");
const CONNECTIONS = 8;

/** Two schemas of one database, as two databases would be. */
function underTest(server: SharedServer & { readonly run: true }): UnderTest {
  const schemas = [freshSchema(server), freshSchema(server)];
  const [first] = schemas;
  const pool = new pg.Pool({ connectionString: first?.url, min: CONNECTIONS, max: CONNECTIONS, idleTimeoutMillis: 0 });
  const opened = async (clock: Clock): Promise<Store> =>
    shardedStore({ shards: schemas.map(async ({ schema }) => postgresStore({ pool, schema, clock })) });
  // All connections now: one that a case opened, and left to the next one, would look like a leak.
  beforeAll(async () => {
    const clients = await Promise.all(Array.from({ length: CONNECTIONS }, async () => pool.connect()));
    for (const client of clients) client.release();
  });
  afterAll(async () => {
    await pool.end();
    for (const schema of schemas) await schema[Symbol.asyncDispose]();
  });
  const scratch = `${first?.schema}.scratch`;
  return {
    name: "sharded (2 in Postgres)",
    open: async ({ clock }) => {
      for (const { schema } of schemas) await pool.query(emptying(schema));
      const store = await opened(clock);
      await pool.query(`CREATE TABLE IF NOT EXISTS ${scratch} (key text)`);
      return store;
    },
    reopen: async (store, { clock }) => {
      await store.close();
      return opened(clock);
    },
    scratch: {
      write: async (tx, key) => {
        await (tx as pg.PoolClient).query(`INSERT INTO ${scratch} VALUES ($1)`, [key]);
      },
      read: async () => {
        const { rows } = await pool.query<{ key: string }>(`SELECT key FROM ${scratch}`);
        return rows.map(({ key }) => key);
      },
    },
    lacks: {
      "queue-rules": "a queue is spread over all shards",
      lanes: "a queue is spread over all shards",
      rates: "a queue is spread over all shards",
      order: "priority and due time order what one shard holds",
      shard: "it is what shards are parts of",
    },
    ...modelSize(),
  };
}

describe.skipIf(!postgres.run)(titled("on Postgres", postgres), () => {
  if (postgres.run) storeConformance(underTest(postgres), { describe, expect, test });
});
