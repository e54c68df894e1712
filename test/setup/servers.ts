import { randomBytes } from "node:crypto";
import { Redis } from "ioredis";
import { inject } from "vitest";
import { askPostgres } from "./own-postgres.ts";
import { presenceOf } from "./requires.ts";
import { askHost, type ServerName } from "./server-host.ts";

export { ownPostgres, postgresPrograms } from "./own-postgres.ts";
export { hasRedisProgram, ownRedis, type OwnRedis, redisCluster, type RedisCluster } from "./own-redis.ts";

const SCAN_COUNT = 1_000;

/** A server that the suites of one run share; without it, why they are skipped. */
export type SharedServer =
  | { readonly run: true; readonly url: string }
  | { readonly run: false; readonly reason: string };

/**
 * The shared server of that name: one that runs already, else one that is started for this run of tests.
 *
 *   const postgres = await sharedServer("postgres");
 *   describe.skipIf(!postgres.run)(titled("a store on Postgres", postgres), …
 *
 * Throws when it is named in FLUJO_TEST_REQUIRE and there is none.
 */
export async function sharedServer(name: ServerName): Promise<SharedServer> {
  const found = await askHost(inject("serverHost"), name);
  const presence = await presenceOf(name, async () => "url" in found);
  if (!presence.run)
    return "absent" in found ? { ...presence, reason: `${presence.reason} (${found.absent})` } : presence;
  return { run: true, url: "url" in found ? found.url : "" };
}

/** A title that says why, when its suite is skipped. */
export const titled = (title: string, server: SharedServer): string =>
  server.run ? title : `${title} (${server.reason})`;

/** Its URL. Throws in a suite that should have been skipped. */
export function urlOf(server: SharedServer): string {
  if (!server.run) throw new Error(server.reason);
  return server.url;
}

/** A schema that nobody else uses. Nothing of it is left when its owner lets go of it. */
export interface FreshSchema extends AsyncDisposable {
  readonly url: string;
  /** Not created yet: that is the store's work. */
  readonly schema: string;
}

export function freshSchema(server: SharedServer): FreshSchema {
  const url = urlOf(server);
  const schema = `flujo_${randomBytes(6).toString("hex")}`;
  return {
    url,
    schema,
    [Symbol.asyncDispose]: async () => {
      await askPostgres(url, `SET client_min_messages = warning; DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    },
  };
}

/** Keys that nobody else uses. Nothing of them is left when their owner lets go of them. */
export interface FreshPrefix extends AsyncDisposable {
  readonly url: string;
  readonly prefix: string;
}

export function freshPrefix(server: SharedServer): FreshPrefix {
  const url = urlOf(server);
  const prefix = `flujo-test-${randomBytes(6).toString("hex")}`;
  return { url, prefix, [Symbol.asyncDispose]: () => removeKeys(url, prefix) };
}

/** Removes the keys in which the prefix occurs: it may stand in a hash tag, so not only where they begin. */
async function removeKeys(url: string, prefix: string): Promise<void> {
  const client = new Redis(url, { lazyConnect: true });
  client.on("error", () => undefined); // the failure rejects the command
  try {
    await client.connect();
    let cursor = "0";
    do {
      const [next, keys] = await client.scan(cursor, "MATCH", `*${prefix}*`, "COUNT", SCAN_COUNT);
      if (keys.length > 0) await client.unlink(...keys);
      cursor = next;
    } while (cursor !== "0");
  } finally {
    client.disconnect();
  }
}
