import pg from "pg";
import { afterAll, afterEach, beforeAll } from "vitest";
import type { Clock } from "../../src/domain/ambient.ts";
import type { Store } from "../../src/ports/store.ts";
import { postgresStore, type PostgresStoreOptions } from "../../src/postgres.ts";
import type { UnderTest } from "../../src/testing/conformance/under-test.ts";
import { type FreshSchema, freshSchema, type SharedServer } from "../setup/servers.ts";
import { modelSize } from "./model-size.ts";

/** Every table of a store but its ledger, in one statement: creating a schema for each case costs 60 ms, emptying one 3 ms. */
export const emptying = (schema: string): string => `
DO $$ DECLARE one record; BEGIN
  FOR one IN SELECT table_name FROM information_schema.tables
    WHERE table_schema = '${schema}' AND table_type = 'BASE TABLE' AND table_name <> 'flujo_migrations' LOOP
    EXECUTE format('DELETE FROM %I.%I', '${schema}', one.table_name);
  END LOOP;
END $$`;

const CONNECTIONS = 8;

/** Schemas that were used and let go. Several stores of one case are open at once, and share nothing. */
class Shelf {
  readonly #server: SharedServer;
  readonly #all: FreshSchema[] = [];
  readonly #free = new Set<FreshSchema>();

  constructor(server: SharedServer) {
    this.#server = server;
  }

  take(): FreshSchema {
    const [used] = this.#free;
    if (used !== undefined) {
      this.#free.delete(used);
      return used;
    }
    const fresh = freshSchema(this.#server);
    this.#all.push(fresh);
    return fresh;
  }

  claim(fresh: FreshSchema): void {
    this.#free.delete(fresh);
  }

  put(fresh: FreshSchema): void {
    this.#free.add(fresh);
  }

  async clear(): Promise<void> {
    for (const fresh of this.#all) await fresh[Symbol.asyncDispose]();
  }
}

/** A store for the conformance suite in a schema of its own, through connections that all cases share. */
export function postgresUnderTest(
  server: SharedServer,
  name: string,
  options: Pick<PostgresStoreOptions, "pooler" | "profile">,
): UnderTest {
  if (!server.run) {
    const open = (): Promise<Store> => Promise.reject(new Error(server.reason));
    return { name, open };
  }
  const shelf = new Shelf(server);
  const first = shelf.take();
  const pool = new pg.Pool({ connectionString: first.url, min: CONNECTIONS, max: CONNECTIONS, idleTimeoutMillis: 0 });
  // All of them now: a connection that a case opened, and left to the next one, would look like a leak.
  beforeAll(async () => {
    const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => pool.connect()));
    for (const client of clients) client.release();
    await pool.query(`CREATE SCHEMA ${first.schema}; CREATE TABLE ${first.schema}.scratch (key text)`);
  });
  afterAll(async () => {
    await pool.end();
    await shelf.clear();
  });
  const scratch = `${first.schema}.scratch`;
  const schemas = new WeakMap<Store, FreshSchema>();
  const opened = async (fresh: FreshSchema, clock: Clock): Promise<Store> => {
    const store = await postgresStore({ pool, schema: fresh.schema, clock, ...options });
    const close = store.close.bind(store);
    store.close = async () => {
      await close();
      shelf.put(fresh);
    };
    schemas.set(store, fresh);
    return store;
  };
  const bare: AsyncDisposable[] = [];
  afterEach(async () => {
    for (const one of bare.splice(0)) await one[Symbol.asyncDispose]();
  });
  return {
    name,
    open: async ({ clock }) => {
      const fresh = shelf.take();
      await pool.query(`${emptying(fresh.schema)}; DELETE FROM ${scratch}`);
      return opened(fresh, clock);
    },
    openBare: async ({ clock }) => {
      const fresh = freshSchema(server);
      bare.push(fresh);
      return postgresStore({ pool, schema: fresh.schema, clock, migrate: false, ...options });
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
    reopen: async (store, { clock }) => {
      const fresh = schemas.get(store);
      if (fresh === undefined) throw new Error("expected a store of this suite");
      await store.close();
      shelf.claim(fresh);
      return opened(fresh, clock);
    },
    ...modelSize(),
  };
}
