import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { Clock } from "../../src/domain/ambient.ts";
import type { Store } from "../../src/ports/store.ts";
import { sqliteStore } from "../../src/sqlite.ts";
import { storeConformance } from "../../src/testing/conformance/conformance.ts";

const directory = mkdtempSync(join(tmpdir(), "flujo-sqlite-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const paths = new WeakMap<Store, string>();
let files = 0;

async function openAt(path: string, clock: Clock): Promise<Store> {
  const store = await sqliteStore({ path, clock, durability: "normal" }); // nobody pulls a plug here; syncs would cost a minute
  paths.set(store, path);
  return store;
}

storeConformance(
  {
    name: "sqlite",
    open: async ({ clock }) => openAt(join(directory, `case-${files++}.db`), clock),
    reopen: async (store, { clock }) => {
      const path = paths.get(store);
      if (path === undefined) throw new Error("expected a store of this suite");
      await store.close();
      return openAt(path, clock);
    },
  },
  { describe, expect, test },
);
