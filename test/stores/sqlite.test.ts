import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import Database from "libsql";
import type { Clock } from "../../src/domain/ambient.ts";
import type { Store } from "../../src/ports/store.ts";
import { type SqliteDriver, sqliteStore } from "../../src/sqlite.ts";
import { storeConformance } from "../../src/testing/conformance/conformance.ts";
import type { Scratch } from "../../src/testing/conformance/under-test.ts";
import { modelSize } from "./model-size.ts";

const directory = mkdtempSync(join(tmpdir(), "flujo-sqlite-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const paths = new WeakMap<Store, string>();
let files = 0;

async function openAt(path: string, clock: Clock, migrate = true): Promise<Store> {
  const store = await sqliteStore({ path, clock, migrate, durability: "normal" }); // nobody pulls a plug here; syncs would cost a minute
  paths.set(store, path);
  return store;
}

function pathOf(store: Store): string {
  const path = paths.get(store);
  if (path === undefined) throw new Error("expected a store of this suite");
  return path;
}

/** A table beside those of the store, as a service has them that keeps its own data in the same file. */
const scratch: Scratch = {
  write: async (tx, key) => {
    const db = tx as SqliteDriver;
    db.exec("CREATE TABLE IF NOT EXISTS scratch (key TEXT NOT NULL)");
    db.prepare("INSERT INTO scratch (key) VALUES (?)").run(key);
  },
  read: async (store) => {
    const db = new Database(pathOf(store));
    try {
      const known = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'scratch'").get();
      return known === undefined
        ? []
        : db
            .prepare("SELECT key FROM scratch")
            .all()
            .map((row) => (row as { key: string }).key);
    } finally {
      db.close();
    }
  },
};

storeConformance(
  {
    ...modelSize(),
    name: "sqlite",
    open: async ({ clock }) => openAt(join(directory, `case-${files++}.db`), clock),
    openBare: async ({ clock }) => openAt(join(directory, `case-${files++}.db`), clock, false),
    scratch,
    lacks: { shard: "one file is one shard" },
    reopen: async (store, { clock }) => {
      const path = pathOf(store);
      await store.close();
      return openAt(path, clock);
    },
  },
  { describe, expect, test },
);
