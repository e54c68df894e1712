import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import Database from "libsql";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ROOT_FIBER } from "../../src/domain/ids.ts";
import type { Lease, Store, Transition } from "../../src/ports/store.ts";
import { type SqliteDriver, type SqliteStatement, sqliteStore } from "../../src/sqlite.ts";
import { newRun, OTHER_RUN, RUN, START_MS, WORKER } from "../../src/testing/conformance/records.ts";
import { rejection } from "../../src/testing/conformance/scene.ts";
import { transition } from "../../src/testing/conformance/transitions.ts";

let directory: string;
let path: string;
let store: Store;
let lease: Lease;
const clock = { now: () => START_MS };
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "flujo-sqlite-tx-"));
  path = join(directory, "flujo.db");
  store = await sqliteStore({ path, clock });
  lease = { worker: WORKER, epoch: (await store.register(WORKER, 1_000)).epoch };
  await store.createRuns([newRun({ lease, root: { leased: true } })]);
});
afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

const done = (): Transition => transition({ run: RUN, fiber: ROOT_FIBER, lease, seq: 0 });

/** Asks the store for a transaction. */
async function transact(work: (tx: SqliteDriver) => Promise<Transition | undefined>): Promise<string | undefined> {
  const outcome = await store.transact?.(RUN, async (tx) => work(tx as SqliteDriver));
  return outcome?.status;
}

function gate(): readonly [opened: Promise<void>, open: () => void] {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return [opened, open];
}

function tables(): readonly string[] {
  const db = new Database(path);
  try {
    return db
      .prepare("SELECT name FROM sqlite_schema WHERE name LIKE 'mine%' ORDER BY name")
      .all()
      .map((row) => (row as { name: string }).name);
  } finally {
    db.close();
  }
}

describe("a transaction on a SQLite file", () => {
  it("takes whatever the driver's database can do: exec, and statements that are prepared once and used often", async () => {
    const status = await transact(async (tx) => {
      tx.exec("CREATE TABLE mine (n INTEGER)");
      const insert = tx.prepare("INSERT INTO mine (n) VALUES (?)");
      for (let n = 0; n < 3; n++) insert.run(n);
      expect(tx.prepare("SELECT sum(n) AS sum FROM mine").get()).toMatchObject({ sum: 3 });
      expect(tx.prepare("SELECT n FROM mine ORDER BY n").all()).toHaveLength(3);
      return done();
    });
    expect(status).toBe("committed");
    expect(tables()).toEqual(["mine"]);
  });

  it("keeps another store of this process on the file waiting, and not the event loop", async () => {
    await using other = await sqliteStore({ path: relative(process.cwd(), path), clock, busyTimeoutMs: 10_000 });
    const [begun, begin] = gate();
    const [released, letGo] = gate();
    const committing = transact(async (tx) => {
      tx.exec("CREATE TABLE mine (n INTEGER)");
      begin();
      await released;
      return done();
    });
    await begun;
    let answered = false;
    const creating = other.createRuns([newRun({ id: OTHER_RUN })]).finally(() => {
      answered = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(answered).toBe(false);
    letGo();
    expect(await committing).toBe("committed");
    expect(await creating).toMatchObject([{ status: "created" }]);
  });

  it("lets nothing that belonged to it be used after its end", async () => {
    let late: SqliteDriver | undefined;
    let statement: SqliteStatement | undefined;
    const failing = transact(async (tx) => {
      late = tx;
      tx.exec("CREATE TABLE mine (n INTEGER)");
      statement = tx.prepare("INSERT INTO mine (n) VALUES (?)");
      throw new Error("aborted");
    });
    expect((await rejection(failing)).message).toBe("aborted");
    const calls = [
      () => late?.exec("CREATE TABLE mine_too (n INTEGER)"),
      () => late?.prepare("SELECT 1"),
      () => statement?.run(1),
    ];
    for (const call of calls) expect(call).toThrowError(expect.objectContaining({ code: "TRANSACTION_OVER" }));
    expect(tables()).toEqual([]);
  });

  it.each(["COMMIT", "ROLLBACK"])("refuses work that has ended it by %s, and does not move the run", async (end) => {
    const ending = transact(async (tx) => {
      tx.exec("CREATE TABLE mine (n INTEGER)");
      tx.exec(end);
      return done();
    });
    expect((await rejection(ending)).code).toBe("STORE_UNAVAILABLE");
    expect((await store.fibers(RUN))[0]?.seq).toBe(0);
    expect(await transact(async () => done())).toBe("committed");
  });

  it("is rolled back when the store is closed meanwhile", async () => {
    const [begun, begin] = gate();
    const [released, letGo] = gate();
    const working = transact(async (tx) => {
      tx.exec("CREATE TABLE mine (n INTEGER)");
      begin();
      await released;
      return done();
    });
    await begun;
    await store.close();
    letGo();
    expect((await rejection(working)).code).toBe("STORE_CLOSED");
    expect(tables()).toEqual([]);
    await using again = await sqliteStore({ path, clock });
    expect((await again.fibers(RUN))[0]?.seq).toBe(0);
  });

  it("begins when another process lets go of the file, and gives up when it does not", async () => {
    await using hasty = await sqliteStore({ path, clock, busyTimeoutMs: 20 });
    const other = new Database(path);
    other.exec("BEGIN IMMEDIATE");
    let worked = false;
    const refused = hasty.transact?.(RUN, async () => {
      worked = true;
      return done();
    });
    expect((await rejection(refused ?? Promise.resolve())).code).toBe("STORE_UNAVAILABLE");
    expect(worked).toBe(false);
    other.exec("ROLLBACK");
    other.close();
    expect(await hasty.transact?.(RUN, async () => done())).toMatchObject({ status: "committed" });
  });
});
