import { Redis } from "ioredis";
import { afterAll, describe, expect, test } from "vitest";
import type { Clock } from "../../src/domain/ambient.ts";
import type { Store } from "../../src/ports/store.ts";
import { redisStore } from "../../src/redis.ts";
import { storeConformance } from "../../src/testing/conformance/conformance.ts";
import { freshPrefix, sharedServer, titled } from "../setup/servers.ts";
import { modelSize } from "./model-size.ts";

const redis = await sharedServer("redis");

/** One connection for all cases: opening one for each would double their time. */
const client = redis.run ? new Redis(redis.url) : undefined;
const fresh = redis.run ? freshPrefix(redis) : undefined;
const prefixes = new WeakMap<Store, string>();
let cases = 0;

afterAll(async () => {
  await fresh?.[Symbol.asyncDispose]();
  client?.disconnect();
});

async function openAt(prefix: string, clock: Clock, migrate: boolean): Promise<Store> {
  if (client === undefined) throw new Error("expected a server");
  const store = await redisStore({ client, prefix, clock, migrate, onWarning: () => undefined });
  prefixes.set(store, prefix);
  return store;
}

const nextPrefix = (): string => `${fresh?.prefix ?? ""}-${cases++}`;

describe.skipIf(!redis.run)(titled("Redis", redis), () => {
  storeConformance(
    {
      ...modelSize(),
      name: "redis",
      open: async ({ clock }) => openAt(nextPrefix(), clock, true),
      openBare: async ({ clock }) => openAt(nextPrefix(), clock, false),
      reopen: async (store, { clock }) => {
        await store.close();
        return openAt(prefixes.get(store) ?? "", clock, true);
      },
    },
    { describe, expect, test },
  );
});
