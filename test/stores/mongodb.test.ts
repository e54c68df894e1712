import { MongoClient } from "mongodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Clock } from "../../src/domain/ambient.ts";
import { mongodbStore } from "../../src/mongodb.ts";
import type { Store } from "../../src/ports/store.ts";
import { storeConformance } from "../../src/testing/conformance/conformance.ts";
import { MongoDouble } from "../mongo-double/server.ts";
import { modelSize } from "./model-size.ts";

let double: MongoDouble;
const NO_SHARD = "it keeps no outbox for a router, so it cannot be one of several behind one";
const databases = new WeakMap<Store, string>();
let opened = 0;

beforeAll(async () => {
  double = await MongoDouble.start();
});

afterAll(async () => {
  await double[Symbol.asyncDispose]();
});

async function openAt(database: string, clock: Clock, migrate = true): Promise<Store> {
  const store = await mongodbStore({ url: double.url, database, clock, migrate });
  databases.set(store, database);
  return store;
}

describe("through the wire-protocol double, not a MongoDB server", () => {
  storeConformance(
    {
      name: "mongodb",
      open: async ({ clock }) => {
        double.forget(`case-${opened - 1}`);
        return openAt(`case-${opened++}`, clock);
      },
      reopen: async (store, { clock }) => {
        const database = databases.get(store);
        if (database === undefined) throw new Error("expected a store of this suite");
        await store.close();
        return openAt(database, clock);
      },
      openBare: async ({ clock }) => openAt(`case-${opened++}`, clock, false),
      lacks: { shard: NO_SHARD },
      ...modelSize(),
    },
    { describe, expect, test },
  );
});

const REAL = process.env["FLUJO_TEST_MONGODB_URL"];

describe.skipIf(REAL === undefined)("on the server of FLUJO_TEST_MONGODB_URL", () => {
  const url = REAL ?? "";
  const made = new Set<string>();
  const openReal = async (database: string, clock: Clock, migrate = true): Promise<Store> => {
    made.add(database);
    const store = await mongodbStore({ url, database, clock, migrate });
    databases.set(store, database);
    return store;
  };
  const nextName = (): string => `flujo_test_${process.pid}_${opened++}`;

  afterAll(async () => {
    const client = new MongoClient(url);
    for (const database of made) await client.db(database).dropDatabase();
    await client.close();
  });

  storeConformance(
    {
      name: "mongodb",
      open: async ({ clock }) => openReal(nextName(), clock),
      reopen: async (store, { clock }) => {
        await store.close();
        return openReal(databases.get(store) ?? nextName(), clock);
      },
      openBare: async ({ clock }) => openReal(nextName(), clock, false),
      lacks: { shard: NO_SHARD },
      ...modelSize(),
    },
    { describe, expect, test },
  );
});
