import pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import { NOTHING_SPENT } from "../../src/domain/quota.ts";
import type { Hold } from "../../src/ports/ledger.ts";
import { Database } from "../../src/stores/postgres/database.ts";
import { PROFILES } from "../../src/stores/postgres/flags.ts";
import { getItems, listItems, putItems, removeItems, sweepItems } from "../../src/stores/postgres/items.ts";
import { hold, pruneAccounts, settleHolds } from "../../src/stores/postgres/ledger.ts";
import { migrate } from "../../src/stores/postgres/migrations.ts";
import { freshSchema, sharedServer, titled, urlOf } from "../setup/servers.ts";

const postgres = await sharedServer("postgres");
const NOW = 1_800_000_000_000;

interface Opened extends AsyncDisposable {
  readonly db: Database;
  readonly pool: pg.Pool;
  readonly schema: string;
}

/** A schema of its own, up to this version. */
async function open({ to }: { readonly to?: number } = {}): Promise<Opened> {
  const fresh = freshSchema(postgres);
  const { schema } = fresh;
  const pool = new pg.Pool({ connectionString: urlOf(postgres), max: 1, idleTimeoutMillis: 0 });
  const rest = { flags: PROFILES.postgres, statementTimeoutMs: 30_000, where: "Postgres" };
  const db = new Database({ pool, owned: false, schema, ...rest });
  await migrate(db, to === undefined ? {} : { to });
  return {
    db,
    pool,
    schema,
    [Symbol.asyncDispose]: async () => {
      await pool.end();
      await fresh[Symbol.asyncDispose]();
    },
  };
}

const request = (id: string, account: string): Hold => ({
  id,
  account,
  amount: { ...NOTHING_SPENT, requests: 1 },
  limits: { requests: 10 },
});

describe.skipIf(!postgres.run)(titled("evaluations on Postgres", postgres), () => {
  const evaluation = { runId: "run-1", step: "judge", score: 0.5, feedback: "good", metadata: { by: ["me"] } };

  const rowsOf = async ({ db, pool, schema }: Opened, values: readonly object[]): Promise<readonly unknown[]> => {
    const items = values.map((value, i) => ({ collection: "evaluations", key: `${i}`, value: { ...value } }));
    await putItems(db, items, NOW);
    return (await pool.query(`SELECT * FROM ${schema}.evaluations ORDER BY created_at`)).rows;
  };

  it("are rows of a view that people query by name", async () => {
    await using opened = await open();
    await putItems(opened.db, [{ collection: "notes", key: "a", value: { runId: "other" } }], NOW);
    expect(await rowsOf(opened, [{ ...evaluation, createdAt: NOW }])).toEqual([
      {
        run_id: "run-1",
        step_name: "judge",
        score: 0.5,
        feedback: "good",
        metadata: { by: ["me"] },
        created_at: NOW,
      },
    ]);
  });

  it("can be queried whatever one of them holds", async () => {
    await using opened = await open();
    const rows = await rowsOf(opened, [
      { ...evaluation, createdAt: 1 },
      { runId: "nul", feedback: "a\0b \\u0000 \\", createdAt: 2 },
      { runId: "half", feedback: "\ud800", metadata: { "\udfff": "🙂" }, createdAt: 3 },
      { runId: "odd", score: { $number: "NaN" }, createdAt: "today" },
    ]);
    expect(rows).toMatchObject([
      { run_id: "run-1", score: 0.5 },
      { run_id: "nul", feedback: "a\ufffdb \\ufffd \\", score: null },
      { run_id: "half", feedback: "\ufffd", metadata: { "\ufffd": "🙂" } },
      { run_id: "odd", score: null, created_at: null },
    ]);
  });

  it("are gone from it when they have expired", async () => {
    await using opened = await open();
    const { db, pool, schema } = opened;
    const [past, future] = [1, 9_000_000_000_000];
    const items = [past, future].map((expiresAt) => ({
      collection: "evaluations",
      key: `${expiresAt}`,
      value: evaluation,
      expiresAt,
    }));
    await putItems(db, items, 0);
    expect((await pool.query(`SELECT * FROM ${schema}.evaluations`)).rows.length).toBe(1);
  });
});

describe.skipIf(!postgres.run)(titled("what is kept on Postgres", postgres), () => {
  it("comes into a schema of the first version, whose runs stay as they were", async () => {
    await using opened = await open({ to: 1 });
    const { db, pool, schema } = opened;
    await pool.query(`INSERT INTO ${schema}.marks VALUES ('ours', 'kept')`);
    expect(await migrate(db)).toMatchObject({ from: 1, to: 2, steps: [{ version: 2 }] });
    expect(await putItems(db, [{ collection: "notes", key: "a", value: 1 }], NOW)).toEqual([
      { status: "stored", version: 1 },
    ]);
    expect((await pool.query(`SELECT * FROM ${schema}.marks`)).rows).toEqual([{ key: "ours", value: "kept" }]);
  });

  it("has the rows of expired items removed by later puts, and by a sweep", async () => {
    await using opened = await open();
    const { db, pool, schema } = opened;
    const put = async (many: number, at: number): Promise<void> => {
      const items = Array.from({ length: many }, (_, i) => ({ collection: "notes", key: `${at}-${i}`, value: i }));
      await putItems(
        db,
        items.map((item) => ({ ...item, expiresAt: at + 10 })),
        at,
      );
    };
    const left = async (): Promise<number> =>
      Number((await pool.query<{ n: string }>(`SELECT count(*) AS n FROM ${schema}.items`)).rows[0]?.n);
    await put(350, NOW);
    await put(1, NOW + 9);
    expect(await left()).toBe(351);
    await put(1, NOW + 10);
    expect(await left()).toBe(252);
    await sweepItems(db, NOW + 19);
    expect(await left()).toBe(1);
  });

  it("forgets more accounts than fit into one call", async () => {
    await using opened = await open();
    const { db, pool, schema } = opened;
    const accounts = Array.from({ length: 120 }, (_, i) => request("a", `day-${i}`));
    await hold(db, accounts, NOW);
    expect(await pruneAccounts(db, NOW + 1)).toBe(120);
    expect((await pool.query(`SELECT * FROM ${schema}.quota_holds`)).rows).toEqual([]);
  });

  it("refuses a hold whose id fits into no index, with an error of its own, and takes none beside it", async () => {
    await using opened = await open();
    const { db, pool, schema } = opened;
    const long = Array.from({ length: 1_280 }, (_, i) => String.fromCharCode(0x4e00 + ((i * 7_919) % 20_000))).join("");
    await expect(hold(db, [request("a", "day"), request(long, "day")], NOW)).rejects.toMatchObject({
      code: "VALUE_NOT_SERIALIZABLE",
    });
    expect((await pool.query(`SELECT * FROM ${schema}.quota_accounts`)).rows).toEqual([]);
  });
});

const MANY = 200_000;

/** What the server counted for the tables and their indexes, in the one session that works here. */
describe.skipIf(!postgres.run)(titled(`Postgres with ${MANY} items and statistics of an empty table`, postgres), () => {
  let opened: Opened;

  beforeAll(async () => {
    opened = await open();
    const { pool, schema } = opened;
    for (const table of ["items", "quota_accounts", "quota_holds"])
      await pool.query(
        `ALTER TABLE ${schema}.${table} SET UNLOGGED; ALTER TABLE ${schema}.${table} SET (autovacuum_enabled = off)`,
      );
    await pool.query(`ANALYZE ${schema}.items, ${schema}.quota_accounts, ${schema}.quota_holds`);
    await pool.query(`
      INSERT INTO ${schema}.items SELECT 'cache', 'key-' || i, '1', 1, 0, ${NOW} + 1000 FROM generate_series(1, ${MANY}) AS i;
      INSERT INTO ${schema}.quota_holds SELECT 'day', 'id-' || i, 0, 0, 0, 1, 0, true FROM generate_series(1, ${MANY}) AS i;
      INSERT INTO ${schema}.quota_accounts
        SELECT 'day-' || i, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ${NOW} FROM generate_series(1, ${MANY}) AS i`);
    return () => opened[Symbol.asyncDispose]();
  });

  const counted = async (): Promise<{ readonly scans: number; readonly read: number }> => {
    await opened.pool.query("SELECT pg_stat_force_next_flush()");
    await opened.pool.query("SELECT 1");
    const { rows } = await opened.pool.query<{ scans: string; read: string }>(
      `SELECT sum(seq_scan) AS scans, sum(seq_tup_read) + sum(idx_tup_fetch) AS read FROM pg_stat_user_tables
       WHERE schemaname = '${opened.schema}' AND relname IN ('items', 'quota_accounts', 'quota_holds')`,
    );
    return { scans: Number(rows[0]?.scans), read: Number(rows[0]?.read) };
  };

  const work: readonly (readonly [what: string, rows: number, run: (db: Database) => Promise<unknown>])[] = [
    [
      "reads items",
      10,
      (db) =>
        getItems(
          db,
          ["key-1", "key-150000"].map((key) => ({ collection: "cache", key })),
          NOW,
        ),
    ],
    ["lists a page after a key", 30, (db) => listItems(db, { collection: "cache", after: "key-5", limit: 10 }, NOW)],
    [
      "lists what begins with a prefix",
      40,
      (db) => listItems(db, { collection: "cache", prefix: "key-777", limit: 10 }, NOW),
    ],
    [
      "lists what begins with nothing there",
      5,
      (db) => listItems(db, { collection: "cache", prefix: "no", limit: 10 }, NOW),
    ],
    [
      "puts items",
      30,
      (db) =>
        putItems(
          db,
          ["key-7", "new"].map((key) => ({ collection: "cache", key, value: 2 })),
          NOW,
        ),
    ],
    ["removes items", 20, (db) => removeItems(db, [{ collection: "cache", key: "key-8" }], NOW)],
    ["finds nothing to sweep", 10, (db) => sweepItems(db, NOW)],
    ["holds", 40, (db) => hold(db, [request("new", "day"), request("new", "day-9")], NOW)],
    ["settles", 30, (db) => settleHolds(db, [{ id: "new", account: "day", spent: NOTHING_SPENT }], NOW)],
  ];
  for (const [what, rows, run] of work) {
    it(`${what} without reading a table whole`, async () => {
      const before = await counted();
      await run(opened.db);
      const after = await counted();
      expect(after.scans - before.scans).toBe(0);
      expect(after.read - before.read).toBeLessThan(rows);
    });
  }
});
