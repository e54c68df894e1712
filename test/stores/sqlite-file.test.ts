import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Database from "libsql";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FlujoError } from "../../src/domain/errors.ts";
import { runId, workerId } from "../../src/domain/ids.ts";
import { type SqliteDriver, sqliteStore, type SqliteStoreOptions } from "../../src/sqlite.ts";
import { newRun, RUN, WORKER } from "../../src/testing/conformance/records.ts";
import { park } from "../../src/testing/conformance/transitions.ts";

const CHILD = fileURLToPath(new URL("sqlite-child.ts", import.meta.url));
const TSX = createRequire(import.meta.url).resolve("tsx");

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "flujo-sqlite-file-"));
  path = join(directory, "flujo.db");
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Runs a task of sqlite-child.ts in a process of its own; answers how it ended. */
function inAnotherProcess(task: string): Promise<{ readonly code: number | null; readonly signal: string | null }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--import", TSX, CHILD, task, path], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    child.on("error", reject);
    child.on("exit", (code, signal) => resolve({ code, signal }));
  });
}

async function refusal(options: SqliteStoreOptions): Promise<FlujoError> {
  try {
    const store = await sqliteStore(options);
    await store.close();
  } catch (error) {
    if (error instanceof FlujoError) return error;
    throw error;
  }
  throw new Error("expected the store to refuse");
}

function withDatabase<T>(use: (db: InstanceType<typeof Database>) => T, at: string = path): T {
  const db = new Database(at);
  try {
    return use(db);
  } finally {
    db.close();
  }
}

describe("a SQLite file", () => {
  it("is created with its directory", async () => {
    path = join(directory, "a", "b", "flujo.db");
    await using _ = await sqliteStore({ path });
    expect(existsSync(path)).toBe(true);
  });

  it("is complete without its log, and marked as ours, when the store is closed", async () => {
    const store = await sqliteStore({ path });
    await store.createRuns([newRun()]);
    await store.close();
    // libsql lets go of the log only when its statements are collected; what counts is that nothing is in it.
    expect(statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0).toBe(0);
    expect(readFileSync(path).readUInt32BE(68).toString(16)).toBe("466c756a");
  });

  it("is opened by two processes at once while it is new", async () => {
    const ended = await Promise.all([inAnotherProcess("open"), inAnotherProcess("open"), inAnotherProcess("open")]);
    expect(ended).toEqual(Array.from({ length: 3 }, () => ({ code: 0, signal: null })));
    await using store = await sqliteStore({ path });
    expect((await store.list({})).items).toHaveLength(3);
    expect(withDatabase((db) => db.prepare("SELECT version FROM migrations").all())).toEqual([
      { version: 1 },
      { version: 2 },
    ]);
  });

  it("keeps a resolved commit when its process is killed right after", async () => {
    expect(await inAnotherProcess("die-after-commit")).toEqual({ code: null, signal: "SIGKILL" });
    await using store = await sqliteStore({ path });
    expect(await store.fibers(RUN)).toMatchObject([{ seq: 1, value: "kept", position: "leased" }]);
    expect((await store.history(RUN)).map(({ facts }) => facts)).toEqual([["created"], ["kept"]]);
  });

  it("tells subscribers of a commit by another process", async () => {
    await using store = await sqliteStore({ path });
    const hinted = new Promise((resolve) => store.subscribe(resolve));
    expect(await inAnotherProcess("open")).toEqual({ code: 0, signal: null });
    expect(await hinted).toEqual({ ready: true, runs: [] });
  });

  it("is only looked at by a read-only store", async () => {
    await (await sqliteStore({ path })).close();
    await using store = await sqliteStore({ path, readonly: true });
    expect((await store.list({})).items).toEqual([]);
    await expect(store.createRuns([newRun()])).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });

  it("says that it stays locked when another connection keeps the write lock", async () => {
    await using store = await sqliteStore({ path, busyTimeoutMs: 20 });
    const other = new Database(path);
    other.exec("BEGIN IMMEDIATE");
    await expect(store.createRuns([newRun()])).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      cause: { code: "SQLITE_BUSY" },
    });
    other.exec("ROLLBACK");
    expect(await store.createRuns([newRun()])).toMatchObject([{ status: "created" }]);
    other.close();
  });
});

describe("a file that cannot be our store", () => {
  const FOREIGN: readonly (readonly [what: string, sql: string])[] = [
    ["has tables of another program", "CREATE TABLE invoices (id INTEGER)"],
    ["carries the mark of another program", "PRAGMA application_id = 252006673; CREATE TABLE t (a); DROP TABLE t"],
    [
      "is in WAL mode and has tables of another program",
      "PRAGMA journal_mode = WAL; CREATE TABLE invoices (id INTEGER)",
    ],
  ];
  for (const [what, sql] of FOREIGN) {
    it(`is refused as STORE_FOREIGN, byte for byte unchanged, when it ${what}`, async () => {
      withDatabase((db) => db.exec(sql));
      const before = readFileSync(path);
      expect(await refusal({ path })).toMatchObject({ code: "STORE_FOREIGN" });
      expect(readFileSync(path).equals(before)).toBe(true);
    });
  }

  it("is refused as STORE_CORRUPT when it is no database, and left alone", async () => {
    writeFileSync(path, "this is a letter, not a database\n".repeat(300));
    const before = readFileSync(path);
    expect(await refusal({ path })).toMatchObject({ code: "STORE_CORRUPT" });
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it("is refused as STORE_CORRUPT when its pages are damaged", async () => {
    await (await sqliteStore({ path })).close();
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill(0xff, 100, 8_000));
    expect(await refusal({ path })).toMatchObject({ code: "STORE_CORRUPT" });
  });

  it("is refused as STORE_TOO_NEW when a newer flujo wrote it", async () => {
    await (await sqliteStore({ path })).close();
    withDatabase((db) => db.exec("INSERT INTO migrations VALUES (99, 0)"));
    expect(await refusal({ path })).toMatchObject({ code: "STORE_TOO_NEW", message: expect.stringContaining("99") });
  });

  it("is refused as STORE_UNAVAILABLE with its path when it is a directory", async () => {
    mkdirSync(path);
    expect(await refusal({ path })).toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining(path),
    });
  });

  it("is refused when it does not exist and may only be read", async () => {
    expect(await refusal({ path, readonly: true })).toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(existsSync(path)).toBe(false);
  });

  it.each([
    ["neither path nor driver", {}],
    ["an unknown durability", { path: "x.db", durability: "maybe" as "full" }],
    ["a negative timeout", { path: "x.db", busyTimeoutMs: -1 }],
  ])("is not even opened for %s", async (_, options) => {
    expect(await refusal(options)).toMatchObject({ code: "OPTION_INVALID" });
  });
});

describe("a driver of the user", () => {
  const pragma = (db: SqliteDriver, name: string): unknown =>
    Object.values(db.prepare(`PRAGMA ${name}`).get() as object)[0];

  it.each([
    ["full", undefined, 2],
    ["full", "full" as const, 2],
    ["normal", "normal" as const, 1],
  ])("is set to sync %s when durability is %s", async (_, durability, synchronous) => {
    const driver: SqliteDriver = new Database(path);
    await using _store = await sqliteStore({ driver, ...(durability !== undefined && { durability }) });
    expect([pragma(driver, "synchronous"), pragma(driver, "journal_mode")]).toEqual([synchronous, "wal"]);
  });

  it("stays open when the store is closed", async () => {
    const driver: SqliteDriver = new Database(path);
    const store = await sqliteStore({ driver });
    await store.createRuns([newRun()]);
    await store.close();
    expect(driver.prepare("SELECT id FROM runs").all()).toEqual([{ id: RUN }]);
    driver.close();
  });

  it("keeps text with NUL, lone surrogates and emoji", async () => {
    const odd = "a\0b \ud800 🙂 \u0001";
    await using store = await sqliteStore({ driver: new Database(":memory:") });
    await store.createRuns([
      newRun({ metadata: { [odd]: odd }, flow: odd, input: odd, root: { queue: odd, readyAt: 0 } }),
    ]);
    expect((await store.list({ metadata: { [odd]: odd }, flow: odd })).items).toMatchObject([
      { id: RUN, flow: odd, input: odd },
    ]);
    const { epoch } = await store.register(WORKER, 1_000);
    const request = { worker: WORKER, epoch, queues: [odd], limit: 1, fingerprints: [newRun().fingerprint] };
    expect(await store.claim(request)).toMatchObject([{ queue: odd, metadata: { [odd]: odd } }]);
  });

  it("is told to park and wake by messages as a file is", async () => {
    const driver: SqliteDriver = new Database(":memory:");
    await using store = await sqliteStore({ driver });
    const worker = workerId("w");
    const lease = { worker, epoch: (await store.register(worker, 1_000)).epoch };
    const run = newRun({ id: runId("r"), lease, root: { leased: true } });
    await store.createRuns([run]);
    await store.commit([park({ run: run.id, fiber: run.root.key, lease, seq: 0 })]);
    expect(await store.signal({ run: run.id, id: "m", name: "paid", data: 1, sentAt: 0 })).toBe("delivered");
    expect(driver.prepare("SELECT count(*) AS n FROM waits").get()).toMatchObject({ n: 1 });
  });
});
