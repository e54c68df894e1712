import Database from "libsql";
import { beforeAll, describe, expect, it } from "vitest";
import type { Store } from "../../src/ports/store.ts";
import { sqliteStore } from "../../src/sqlite.ts";
import { DUE_OF_PRIORITY, NEXT_PRIORITY } from "../../src/stores/sqlite/ready.ts";
import { FORGET, OPEN_LANES, OPENING_LANES } from "../../src/stores/sqlite/listed-lanes.ts";
import { walkText } from "../../src/stores/sqlite/waiting.ts";
import { INSERT_EVENTS_FENCED, UPDATE_FIBERS } from "../../src/stores/sqlite/together.ts";
import { FINGERPRINT, newRun, QUEUE, WORKER } from "../../src/testing/conformance/records.ts";
import { transition } from "../../src/testing/conformance/transitions.ts";

/** A statement as the store ran it, and how many rows it gave. */
interface Ran {
  readonly sql: string;
  readonly rows: number;
}

const db = new Database(":memory:");
const ran: Ran[] = [];

/** The driver, with every read written down. */
const watched = {
  exec: (sql: string) => db.exec(sql),
  close: () => db.close(),
  prepare(sql: string) {
    const statement = db.prepare(sql);
    return {
      run: (...values: unknown[]) => statement.run(values),
      get(...values: unknown[]): unknown {
        const row: unknown = statement.get(values);
        ran.push({ sql, rows: row === undefined ? 0 : 1 });
        return row;
      },
      all(...values: unknown[]): unknown[] {
        const rows = statement.all(values);
        ran.push({ sql, rows: rows.length });
        return rows;
      },
    };
  },
};

const MANY = 100_000;
const NOW = 1_000_000;
const COPY = `
  INSERT INTO fibers (run, key, fingerprint, queue, priority, seq, ready_at, deliveries, wait, names, state, value)
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${MANY})`;
const FIBER = `'0', '${FINGERPRINT}', '${QUEUE}', i % 3, 1`;

let store: Store;
beforeAll(async () => {
  store = await sqliteStore({ driver: watched, clock: { now: () => NOW } });
  db.exec(`${COPY} SELECT 'parked-' || i, ${FIBER}, NULL, 0, '{"kind":"signal"}', '["paid"]', '{}', 'null' FROM n`);
  db.exec(`${COPY} SELECT 'timer-' || i, ${FIBER}, ${NOW} + i, 0, '{"kind":"timer"}', '[]', '{}', 'null' FROM n`);
  return async () => {
    await store.close();
    db.close();
  };
});

const plan = (sql: string): string =>
  db
    .prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .all()
    .map((row: unknown) => (row as { detail: string }).detail)
    .join("; ");

describe("a claim among 100,000 parked fibers and 100,000 timers", () => {
  it.each([
    ["jumps to the next priority", NEXT_PRIORITY],
    ["reads what is due of one priority", DUE_OF_PRIORITY],
  ])("%s within the partial index, without sorting", (_, sql) => {
    const found = plan(sql);
    expect(found).toMatch(
      /^SEARCH fibers USING (COVERING )?INDEX fibers_ready \(queue=\? AND fingerprint=\? AND priority/,
    );
    expect(found).not.toContain("TEMP B-TREE");
  });

  it("looks at one row per priority when nothing is due", async () => {
    const { epoch } = await store.register(WORKER, 1_000);
    ran.length = 0;
    expect(
      await store.claim({ worker: WORKER, epoch, queues: [QUEUE], fingerprints: [FINGERPRINT], limit: 100 }),
    ).toEqual([]);
    expect(ran.reduce((sum, { rows }) => sum + rows, 0)).toBe(3);
  });

  it("looks at as many rows as it takes, and a few more", async () => {
    const { epoch } = await store.register(WORKER, 1_000);
    await store.createRuns(
      Array.from({ length: 10 }, (_, i) => newRun({ id: `due-${i}` as never, root: { readyAt: NOW } })),
    );
    ran.length = 0;
    const claimed = await store.claim({
      worker: WORKER,
      epoch,
      queues: [QUEUE],
      fingerprints: [FINGERPRINT],
      limit: 10,
    });
    expect(claimed).toHaveLength(10);
    expect(ran.reduce((sum, { rows }) => sum + rows, 0)).toBeLessThan(40);
  });
});

describe("a claim of a governed queue with 5,000 lanes of which none has a free place", () => {
  const QUEUE_OF_LANES = "lanes";
  const LANES = 5_000;

  it.each([
    ["to be served in turn", OPEN_LANES, "queue_lanes_turns"],
    ["to look at next", OPENING_LANES, "queue_lanes_opening"],
  ])("finds lanes %s within a partial index, without sorting", (_, sql, index) => {
    expect(plan(sql)).toMatch(new RegExp(`^SEARCH queue_lanes USING (COVERING )?INDEX ${index} \\(queue=\\?`));
    expect(plan(sql)).not.toContain("TEMP B-TREE");
  });

  it("walks over those that are not listed by seeks, without sorting", () => {
    const walked = plan(walkText(2));
    expect(walked.match(/INDEX fibers_turns \(queue=\? AND turn>\? AND turn<\?\)/g)).toHaveLength(2);
    expect(walked).toContain("INDEX fibers_places (queue=? AND turn=?)");
    expect(walked).toContain("INDEX fibers_turns (queue=? AND turn=? AND fingerprint=?)");
    expect(walked).not.toMatch(/SCAN fibers|TEMP B-TREE/);
  });

  it("walks over none of them, and finds the one that gets a place back", async () => {
    db.exec(`${COPY.replace("value)", "value, lane)").replace(String(MANY), String(LANES * 2))}
      SELECT 'lane-' || i, '0', '${FINGERPRINT}', '${QUEUE_OF_LANES}', 0, 1, ${NOW}, 0, NULL, NULL, '{}', 'null', i % ${LANES} FROM n`);
    db.exec(`INSERT INTO runs (id, flow, version, fingerprint, status, created_at, metadata, input)
      SELECT run, 'parcel', '1', fingerprint, 'running', 0, '{}', 'null' FROM fibers WHERE queue = '${QUEUE_OF_LANES}'`);
    await store.putQueueRules([{ queue: QUEUE_OF_LANES, lane: { concurrency: 1 } }]);
    const lease = { worker: WORKER, epoch: (await store.register(WORKER, 1_000)).epoch };
    const request = { ...lease, queues: [QUEUE_OF_LANES], fingerprints: [FINGERPRINT], limit: 500 };
    const held = [];
    for (let claims = 0; claims < 100 && held.length < LANES; claims++) held.push(...(await store.claim(request)));
    expect(held).toHaveLength(LANES);
    await store.nextDue(request);
    expect(await store.claim(request)).toEqual([]);

    ran.length = 0;
    expect(await store.claim(request)).toEqual([]);
    expect(ran.reduce((sum, { rows }) => sum + rows, 0)).toBeLessThan(10);
    const [one] = held;
    if (one === undefined) throw new Error("expected a fiber");
    await store.commit([
      transition({ run: one.run, fiber: one.key, lease, seq: one.seq }, { position: { kind: "ready", at: NOW + 1 } }),
    ]);
    ran.length = 0;
    expect(await store.claim(request)).toMatchObject([{ lane: one.lane }]);
    expect(ran.reduce((sum, { rows }) => sum + rows, 0)).toBeLessThan(30);
  });
});

it("forgets lanes by the index of those that idle", () => {
  expect(plan(FORGET)).toMatch(/INDEX queue_lanes_idle \(queue=\? AND forget_at>\? AND forget_at<\?\)$/);
  expect(plan(FORGET)).not.toContain("SCAN queue_lanes");
});

describe("a group of transitions", () => {
  it.each([
    ["events", INSERT_EVENTS_FENCED],
    ["fibers", UPDATE_FIBERS],
  ])("finds its %s by run and key, not by a scan", (_, sql) => {
    expect(plan(sql)).toMatch(/SEARCH fibers USING INDEX sqlite_autoindex_fibers_1 \(run=\? AND key=\?\)/);
    expect(plan(sql)).not.toContain("SCAN fibers");
  });

  it("touches no index while its fibers stay held", () => {
    const opcodes = db.prepare(`EXPLAIN ${UPDATE_FIBERS}`).all() as readonly { opcode: string }[];
    expect(opcodes.filter(({ opcode }) => opcode === "IdxInsert" || opcode === "IdxDelete")).toEqual([]);
  });
});

describe("a list of runs that went wrong", () => {
  it.each([["failed"], ["cancelled"], [["failed", "cancelled"]]] as const)(
    "reads only such runs, in order: %s",
    async (status) => {
      ran.length = 0;
      await store.list({ status });
      const found = plan(ran.at(-1)?.sql ?? "");
      expect(found).toMatch(/^SCAN runs USING INDEX runs_unwell/);
      expect(found).not.toContain("TEMP B-TREE");
    },
  );

  it("goes by its parent, or by metadata, where these are given", async () => {
    await store.list({ status: "failed", parent: "p" as never });
    expect(plan(ran.at(-1)?.sql ?? "")).toContain("INDEX runs_children");
    await store.list({ status: "failed", metadata: { a: 1 } });
    expect(plan(ran.at(-1)?.sql ?? "")).toMatch(/^SEARCH pairs USING PRIMARY KEY/);
  });
});
