import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runId } from "../../src/domain/ids.ts";
import type { LeasedFiber } from "../../src/ports/queue.ts";
import type { QueueRules } from "../../src/ports/queue-rules.ts";
import type { ShardStore } from "../../src/ports/shard.ts";
import { postgresStore } from "../../src/postgres.ts";
import type { PgPool } from "../../src/stores/postgres/driver.ts";
import { FINGERPRINT, newRun, WORKER } from "../../src/testing/conformance/records.ts";
import { freshSchema, sharedServer, titled, urlOf } from "../setup/servers.ts";

const postgres = await sharedServer("postgres");
const NOW = 1_800_000_000_000;
const LANES = 20_000;

/** Two rows in each lane, in turn. */
const manyLanes = (schema: string, queue: string): string => `
  INSERT INTO ${schema}.fibers (run, key, fingerprint, queue, lane, turn, priority, seq, ready_at, deliveries, state, value, context, aside)
  SELECT '${queue}-' || i, '0', '${FINGERPRINT}', '${queue}', lane, lane, 0, 1, ${NOW}, 0, '{}', 'null', '{}', 'null'
  FROM (SELECT i, 'lane ' || lpad((i / 2)::text, 6, '0') AS lane FROM generate_series(0, ${2 * LANES - 1}) AS i) AS many;
  INSERT INTO ${schema}.runs (id, flow, version, fingerprint, status, created_at, metadata, input)
  SELECT run, 'flow', '1', fingerprint, 'open', ${NOW}, '{}', 'null' FROM ${schema}.fibers WHERE queue = '${queue}'`;

describe.skipIf(!postgres.run)(titled("a claim from a governed queue on Postgres", postgres), () => {
  let pool: pg.Pool;
  let store: ShardStore;
  let schema: string;
  let epoch: number;
  let calls = 0;

  beforeAll(async () => {
    const fresh = freshSchema(postgres);
    schema = fresh.schema;
    pool = new pg.Pool({ connectionString: urlOf(postgres), max: 1, idleTimeoutMillis: 0 });
    const counting = {
      query: (query: pg.QueryConfig) => {
        calls += 1;
        return pool.query(query);
      },
      connect: () => pool.connect(),
    };
    store = await postgresStore({
      pool: counting as unknown as PgPool,
      schema,
      pooler: true,
      clock: { now: () => NOW },
    });
    epoch = (await store.register(WORKER, 600_000)).epoch;
  });
  afterAll(async () => {
    await store.close();
    await pool.query(`DROP SCHEMA ${schema} CASCADE`);
    await pool.end();
  });

  const claim = (queue: string, limit: number): Promise<readonly LeasedFiber[]> =>
    store.claim({ worker: WORKER, epoch, fingerprints: [FINGERPRINT], queues: [queue], limit });

  /** What it brings, and how often it asks. */
  const counted = async (queue: string, limit: number) => {
    calls = 0;
    const lanes = (await claim(queue, limit)).map(({ lane }) => lane);
    return { lanes, calls };
  };

  const fill = (queue: string, lanes: readonly string[]) =>
    store.createRuns(
      lanes.map((lane, i) =>
        newRun({ id: runId(`${queue}-${i}`), root: { queue, lane, readyAt: NOW }, createdAt: NOW }),
      ),
    );

  async function governedQueue(rules: QueueRules, lanes: readonly string[]): Promise<string> {
    await store.putQueueRules([rules]);
    await fill(rules.queue, lanes);
    await claim(rules.queue, 2);
    return rules.queue;
  }

  const NAMES = ["a", "b", "c", "d", "e", "f"];

  it("asks once where each lane has one row and limits are far", async () => {
    const queue = await governedQueue({ queue: "calm", concurrency: 100, lane: { concurrency: 5 } }, NAMES);
    expect(await counted(queue, 2)).toEqual({ lanes: ["c", "d"], calls: 1 });
    expect(await counted(queue, 10)).toEqual({ lanes: ["e", "f"], calls: 1 });
    expect(await counted(queue, 10)).toEqual({ lanes: [], calls: 1 });
  });

  it("asks twice where a rate has to be charged", async () => {
    const rate = { count: 100, perMs: 60_000 };
    const queue = await governedQueue({ queue: "rated", rate, lane: { rate } }, NAMES);
    expect(await counted(queue, 2)).toEqual({ lanes: ["c", "d"], calls: 2 });
  });

  it("looks when a limit is near, and takes no more than it admits", async () => {
    const queue = await governedQueue({ queue: "near", concurrency: 5 }, NAMES);
    expect((await counted(queue, 2)).lanes).toEqual(["c", "d"]);
    expect((await counted(queue, 2)).lanes).toEqual(["e"]);
    expect((await counted(queue, 2)).lanes).toEqual([]);
  });

  it("looks when rules were put by another store", async () => {
    const queue = await governedQueue({ queue: "changed", concurrency: 100 }, NAMES);
    expect(await counted(queue, 1)).toEqual({ lanes: ["c"], calls: 1 });
    const other = await postgresStore({
      pool: pool as unknown as PgPool,
      schema,
      pooler: true,
      clock: { now: () => NOW },
    });
    await other.putQueueRules([{ queue, concurrency: 4 }]);
    expect((await counted(queue, 2)).lanes).toEqual(["d"]);
    await other.putQueueRules([{ queue }]);
    await other.close();
    expect(new Set((await counted(queue, 10)).lanes)).toEqual(new Set(["e", "f"]));
  });

  it("reads few rows of many lanes, wherever the turn stands", async () => {
    const queue = "many";
    await store.putQueueRules([{ queue, concurrency: 100_000, lane: { concurrency: 2 } }]);
    await pool.query(manyLanes(schema, queue));
    await pool.query(`UPDATE ${schema}.queue_rules SET served = 'lane 010000' WHERE queue = '${queue}'`);
    const before = await rowsRead();
    expect((await claim(queue, 10))[0]?.lane).toBe("lane 010001");
    expect((await rowsRead()) - before).toBeLessThan(400);
  }, 30_000);

  const rowsRead = async (): Promise<number> => {
    await pool.query("SELECT pg_stat_force_next_flush()");
    await pool.query("SELECT 1");
    const { rows } = await pool.query<{ read: string }>(
      `SELECT seq_tup_read + idx_tup_fetch AS read FROM pg_stat_user_tables WHERE schemaname = '${schema}' AND relname = 'fibers'`,
    );
    return Number(rows[0]?.read);
  };
});
