import pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import { ROOT_FIBER, runId } from "../../src/domain/ids.ts";
import type { Lease } from "../../src/ports/store.ts";
import { postgresStore } from "../../src/postgres.ts";
import { newMessage, newRun, WORKER } from "../../src/testing/conformance/records.ts";
import { endRun, newEvent, transition } from "../../src/testing/conformance/transitions.ts";
import type { ShardStore } from "../../src/ports/shard.ts";
import { freshSchema, sharedServer, titled, urlOf } from "../setup/servers.ts";

const postgres = await sharedServer("postgres");

describe.skipIf(!postgres.run)(titled("a batch on Postgres", postgres), () => {
  let pool: pg.Pool;
  let store: ShardStore;
  let lease: Lease;
  let schema: string;

  beforeAll(async () => {
    const fresh = freshSchema(postgres);
    schema = fresh.schema;
    pool = new pg.Pool({ connectionString: urlOf(postgres), max: 1, idleTimeoutMillis: 0 });
    store = await postgresStore({ pool, schema });
    lease = { worker: WORKER, epoch: (await store.register(WORKER, 600_000)).epoch };
    return async () => {
      await store.close();
      await pool.end();
      await fresh[Symbol.asyncDispose]();
    };
  });

  const hold = async (...ids: readonly string[]): Promise<void> => {
    await store.createRuns(ids.map((id) => newRun({ id: runId(id), lease, root: { leased: true } })));
  };
  const held = (id: string, seq: number): Parameters<typeof transition>[0] => ({
    run: runId(id),
    fiber: ROOT_FIBER,
    lease,
    seq,
  });
  /** Updates of `fibers`, as the server counts them once it was told to. */
  const updates = async (): Promise<{ readonly all: number; readonly hot: number }> => {
    await pool.query("SELECT pg_stat_force_next_flush()");
    await pool.query("SELECT 1");
    const { rows } = await pool.query<{ all: string; hot: string }>(
      `SELECT n_tup_upd AS all, n_tup_hot_upd AS hot FROM pg_stat_user_tables WHERE schemaname = '${schema}' AND relname = 'fibers'`,
    );
    return { all: Number(rows[0]?.all), hot: Number(rows[0]?.hot) };
  };

  it("moves resident runs by HOT updates: no index is touched", async () => {
    const ids = Array.from({ length: 10 }, (_, i) => `hot-${i}`);
    await hold(...ids);
    const before = await updates();
    for (let step = 0; step < 100; step++) {
      const outcomes = await store.commit(
        ids.map((id) => transition(held(id, step), { value: { step }, event: newEvent({ step }) })),
      );
      expect(outcomes.every(({ status }) => status === "committed")).toBe(true);
    }
    const after = await updates();
    expect(after.all - before.all).toBe(1_000);
    expect(after.hot - before.hot).toBeGreaterThan(900); // a page that is full now and then moves a row
  });

  it("stores the neighbours of a row that only the server can refuse", async () => {
    await hold("good-1", "bad", "good-2", "good-3");
    const tooLong = "x"
      .repeat(5_000_000)
      .replaceAll("x", () => String.fromCharCode(33 + Math.floor(Math.random() * 90)));
    const outcomes = await store.commit([
      transition(held("good-1", 0), { value: 1 }),
      transition(held("bad", 0), { send: [newMessage({ run: runId("bad"), id: tooLong })] }), // an index row holds 2,700 bytes
      transition(held("good-2", 0), { send: [newMessage({ run: runId("good-2"), id: "fine" })] }),
      endRun(held("good-3", 0)),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(["committed", "rejected", "committed", "committed"]);
    expect((await store.messages(runId("good-2"))).length).toBe(1);
    expect((await store.fibers(runId("bad")))[0]?.seq).toBe(0);
  });

  it("creates the neighbours of a run that only the server can refuse", async () => {
    const parent = { run: runId("x".repeat(128)), fiber: ROOT_FIBER, reply: "" };
    const long = Array.from({ length: 4_000 }, () => Math.random().toString(36)).join("") as typeof parent.run;
    const outcomes = await store.createRuns([
      newRun({ id: runId("left") }),
      newRun({ id: runId("middle"), parent: { ...parent, run: long } }),
      newRun({ id: runId("right") }),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(["created", "rejected", "created"]);
  });
});
