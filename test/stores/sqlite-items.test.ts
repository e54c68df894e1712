import Database from "libsql";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Store } from "../../src/ports/store.ts";
import { type SqliteDriver, sqliteStore } from "../../src/sqlite.ts";
import { LIST_TO_END, LIST_UNTIL } from "../../src/stores/sqlite/items.ts";
import { ManualClock } from "../../src/testing/conformance/clock.ts";
import { newItem } from "../../src/testing/conformance/items.ts";
import { newHold } from "../../src/testing/conformance/ledger.ts";
import { newRun, RUN, START_MS } from "../../src/testing/conformance/records.ts";

let clock: ManualClock;
let driver: SqliteDriver;
let store: Store;
beforeEach(async () => {
  clock = new ManualClock(START_MS);
  driver = new Database(":memory:");
  store = await sqliteStore({ driver, clock });
});
afterEach(async () => {
  await store.close();
  driver.close();
});

const rows = (sql: string): readonly unknown[] => driver.prepare(sql).all();
const keysLeft = (): readonly unknown[] =>
  rows("SELECT key FROM items ORDER BY key").map((row) => (row as { readonly key: string }).key);

describe("the view of evaluations", () => {
  it("shows what was said of a step, by names of columns", async () => {
    const value = {
      runId: "run-1",
      step: "draft",
      score: 0.75,
      feedback: "a 'fine' one",
      metadata: { judge: "model-1" },
      createdAt: START_MS,
    };
    await store.putItems([newItem({ collection: "evaluations", value }), newItem({ value })]);
    expect(rows("SELECT * FROM evaluations")).toMatchObject([
      {
        run_id: "run-1",
        step_name: "draft",
        score: 0.75,
        feedback: "a 'fine' one",
        metadata: '{"judge":"model-1"}',
        created_at: START_MS,
      },
    ]);
  });

  it("leaves out what has expired, by the clock of the machine", async () => {
    const put = (key: string, expiresAt: number) =>
      newItem({ collection: "evaluations", key, value: { step: key }, expiresAt });
    await using early = await sqliteStore({ driver, clock: { now: () => 0 } });
    await early.putItems([put("over", Date.now() - 1), put("kept", Date.now() + 3_600_000)]);
    expect(rows("SELECT step_name FROM evaluations")).toMatchObject([{ step_name: "kept" }]);
  });

  it("shows nothing where an evaluation says nothing", async () => {
    await store.putItems([newItem({ collection: "evaluations", value: "text" })]);
    expect(rows("SELECT run_id, score FROM evaluations")).toMatchObject([{ run_id: null, score: null }]);
  });
});

describe("items that have expired", () => {
  const EXPIRING = Array.from({ length: 20 }, (_, i) => newItem({ key: `key-${i}`, expiresAt: START_MS + 1 }));

  it("are taken out by later puts, a few at a time", async () => {
    await store.putItems(EXPIRING);
    clock.advance(1);
    await store.putItems([newItem({ key: "a" }), newItem({ key: "b" })]);
    expect(keysLeft()).toHaveLength(20 - 4 + 2);
  });

  it("are all taken out by a prune", async () => {
    await store.putItems([...EXPIRING, newItem({ key: "stays", expiresAt: START_MS + 2 })]);
    clock.advance(1);
    await store.prune({ endedBefore: 1 });
    expect(keysLeft()).toEqual(["stays"]);
  });
});

describe("a list of items", () => {
  it.each([
    ["of a prefix", LIST_UNTIL],
    ["to the end", LIST_TO_END],
  ])("%s reads one range of the index, without sorting", (_, sql) => {
    const plan = rows(`EXPLAIN QUERY PLAN ${sql}`).map((row) => (row as { readonly detail: string }).detail);
    expect(plan).toHaveLength(1);
    expect(plan[0]).toMatch(
      /^SEARCH items USING INDEX sqlite_autoindex_items_1 \(collection=\? AND key>\?( AND key<\?)?\)$/,
    );
  });
});

describe("a file of version 1", () => {
  it("gets items and accounts, and keeps what it has", async () => {
    const old = new Database(":memory:");
    await using before = await sqliteStore({ driver: old, clock, migrate: false });
    await before.migrate({ to: 1 });
    await before.createRuns([newRun()]);
    await using after = await sqliteStore({ driver: old, clock });
    expect(await after.putItems([newItem()])).toEqual([{ status: "stored", version: 1 }]);
    expect(await after.hold([newHold()])).toEqual([{ status: "held" }]);
    expect(await after.load(RUN)).toMatchObject({ id: RUN });
  });
});

describe("accounts that are forgotten", () => {
  it("leave no hold behind", async () => {
    await store.hold([newHold(), newHold({ id: "b" }), newHold({ account: "other" })]);
    clock.advance(1);
    await store.hold([newHold({ id: "c", account: "other" })]);
    expect(await store.pruneAccounts(START_MS + 1)).toBe(1);
    expect(rows("SELECT account, id FROM quota_holds ORDER BY id")).toMatchObject([
      { account: "other", id: "c" },
      { account: "other", id: newHold().id },
    ]);
  });

  it("may be more than fit in one transaction", async () => {
    await store.hold(Array.from({ length: 50 }, (_, i) => newHold({ account: `account-${i}` })));
    expect(await store.pruneAccounts(START_MS + 1)).toBe(50);
    expect(rows("SELECT * FROM quota_holds")).toEqual([]);
  });
});
