import pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import { ROOT_FIBER, runId } from "../../src/domain/ids.ts";
import type { ShardStore } from "../../src/ports/shard.ts";
import type { Lease } from "../../src/ports/store.ts";
import { postgresStore } from "../../src/postgres.ts";
import { FINGERPRINT, newMessage, newRun, QUEUE, WORKER } from "../../src/testing/conformance/records.ts";
import { endRun, newEvent, park, transition } from "../../src/testing/conformance/transitions.ts";
import { freshSchema, sharedServer, titled, urlOf } from "../setup/servers.ts";

const postgres = await sharedServer("postgres");
const NOW = 1_800_000_000_000;
const MANY = 1_000_000;

/** Fibers that nobody claims now: most are parked for good, the rest are timers of the future in two priorities. */
const manyFibers = (schema: string): string => `
  INSERT INTO ${schema}.fibers (run, key, fingerprint, queue, lane, priority, seq, ready_at, deliveries, names, wait, state, value, context, aside)
  SELECT 'many-' || i, '0', '${FINGERPRINT}', '${QUEUE}', '', i % 2, 1, CASE WHEN i % 5 = 0 THEN ${NOW} + i END, 0, '{}', '{}', '{}', 'null', '{}', 'null'
  FROM generate_series(1, ${MANY}) AS i`;

interface Read {
  readonly scans: number;
  readonly read: number;
}

/** What the server counted for the tables and their indexes, in the one session that works here. */
describe.skipIf(!postgres.run)(
  titled(`Postgres with ${MANY} fibers and statistics of an empty table`, postgres),
  () => {
    let pool: pg.Pool;
    let store: ShardStore;
    let lease: Lease;
    let schema: string;

    beforeAll(async () => {
      const fresh = freshSchema(postgres);
      schema = fresh.schema;
      pool = new pg.Pool({ connectionString: urlOf(postgres), max: 1, idleTimeoutMillis: 0 });
      store = await postgresStore({ pool, schema, clock: { now: () => NOW } });
      await pool.query(
        `ALTER TABLE ${schema}.fibers SET UNLOGGED; ALTER TABLE ${schema}.fibers SET (autovacuum_enabled = off)`,
      );
      await pool.query(`ANALYZE ${schema}.fibers, ${schema}.runs, ${schema}.events, ${schema}.messages`);
      await pool.query(manyFibers(schema));
      lease = { worker: WORKER, epoch: (await store.register(WORKER, 600_000)).epoch };
      return async () => {
        await store.close();
        await pool.end();
        await fresh[Symbol.asyncDispose]();
      };
    });

    const counted = async (...tables: readonly string[]): Promise<Read> => {
      await pool.query("SELECT pg_stat_force_next_flush()");
      await pool.query("SELECT 1");
      const { rows } = await pool.query<{ scans: string; read: string }>(
        `SELECT sum(seq_scan) AS scans, sum(seq_tup_read) + sum(idx_tup_fetch) AS read FROM pg_stat_user_tables
       WHERE schemaname = '${schema}' AND relname = ANY($1)`,
        [tables],
      );
      return { scans: Number(rows[0]?.scans), read: Number(rows[0]?.read) };
    };

    /** Each hot operation once. */
    async function work(id: string): Promise<void> {
      const run = runId(id);
      const claim = { worker: WORKER, epoch: lease.epoch, fingerprints: [FINGERPRINT], queues: [QUEUE], limit: 10 };
      const held = (seq: number): Parameters<typeof transition>[0] => ({ run, fiber: ROOT_FIBER, lease, seq });
      await store.createRuns([newRun({ id: run, lease, createdAt: NOW, root: { leased: true, readyAt: NOW } })]);
      await store.commit([transition(held(0), { value: 1, event: newEvent("step") })]);
      await store.commit([park(held(1), { names: ["paid"] })]);
      expect(await store.signal(newMessage({ run, id: `m-${id}` }))).toBe("delivered");
      const [claimed] = await store.claim(claim);
      expect(claimed?.run).toBe(run);
      await store.nextDue(claim);
      await store.heartbeat(WORKER, lease.epoch, 600_000);
      await store.sweep();
      await store.commit([transition(held(2), { consume: claimed?.messages.map(({ seq }) => seq) ?? [] })]);
      await store.cancel(run, "enough");
      await store.commit([endRun(held(3), {}, { acknowledgeCancel: true })]);
    }

    it("works without reading a table whole, and reads few rows", async () => {
      const tables = ["fibers", "runs", "events", "messages"];
      const before = await counted(...tables);
      await work("measured");
      const after = await counted(...tables);
      expect(after.scans - before.scans).toBe(0);
      expect(after.read - before.read).toBeLessThan(200);
    });

    it("looks at runs without reading their fibers whole", async () => {
      const before = await counted("fibers");
      expect((await store.list({ limit: 5 })).items.length).toBeGreaterThan(0);
      expect((await store.load(runId("measured")))?.status).toBe("completed");
      expect(await store.fibers(runId("many-1"))).toMatchObject([{ position: "parked" }]);
      const after = await counted("fibers");
      expect(after.scans - before.scans).toBe(0);
      expect(after.read - before.read).toBeLessThan(50);
    });
  },
);
