import { FlujoError } from "../domain/errors.ts";
import type { Clock } from "../domain/ambient.ts";
import type { Store } from "../ports/store.ts";
import type { Profile } from "../stores/postgres/flags.ts";
import { memoryStore } from "../stores/memory/store.ts";
import { ownParameters } from "./store-uri.ts";

export interface OpenOptions {
  readonly clock?: Pick<Clock, "now">;
  /** Whether missing tables are made now. Default true; otherwise `store.migrate()` does it. */
  readonly migrate?: boolean;
}

/**
 * Opens the store that a URI names. Drivers are loaded only for those who use them.
 *
 *   memory:
 *   sqlite:./flujo.db                    ?durability=normal
 *   postgres://user@host/database        ?schema= &pooler=true &profile=cockroach &poolMin= &poolMax= &statementTimeoutMs= &connectTimeoutMs=
 *   redis://host:6379/0, rediss://…      ?prefix= &requireDurable=true &commandTimeoutMs= &connectTimeoutMs=
 *   redis://host:7000,host:7001          a cluster, by some of its nodes (one: ?cluster=true); as above, and ?partitions=
 *   mongodb://host/database, mongodb+srv://…   ?database= &prefix= &serverSelectionTimeoutMs=
 *
 * What else a postgres or mongodb URI asks for (`sslmode=require`) is the driver's. Throws STORE_URI_INVALID, and what the
 * store throws.
 */
export async function openStore(uri: string, options: OpenOptions = {}): Promise<Store> {
  const scheme = /^([a-z][a-z+]*):/.exec(uri)?.[1];
  switch (scheme) {
    case "memory":
      return memoryStore(options.clock === undefined ? {} : { clock: options.clock });
    case "sqlite":
      return openSqlite(uri, options);
    case "postgres":
    case "postgresql":
      return openPostgres(uri, options);
    case "redis":
    case "rediss":
      return openRedis(uri, options);
    case "mongodb":
    case "mongodb+srv":
      return openMongodb(uri, options);
    case undefined:
    default:
      throw new FlujoError(
        "STORE_URI_INVALID",
        `expected a store URI such as sqlite:./flujo.db or postgres://host/database but found ${JSON.stringify(withoutSecrets(uri))}`,
      );
  }
}

async function openSqlite(uri: string, options: OpenOptions): Promise<Store> {
  const { own, rest } = ownParameters(uri, { durability: "text" });
  const target = rest.slice("sqlite:".length);
  const [unknown] = new URLSearchParams(target.split("?")[1]).keys();
  if (unknown !== undefined)
    throw new FlujoError("STORE_URI_INVALID", `expected no parameter but durability, found "${unknown}"`);
  const path = target.startsWith("//") ? target.slice(2) : target;
  const { durability } = own;
  if (durability !== undefined && durability !== "full" && durability !== "normal") {
    throw new FlujoError("STORE_URI_INVALID", `durability: expected full or normal but found "${String(durability)}"`);
  }
  if (path === "")
    throw new FlujoError("STORE_URI_INVALID", `expected a file after sqlite: but found ${JSON.stringify(uri)}`);
  const { sqliteStore } = await import("../stores/sqlite/open.ts");
  return sqliteStore({ path, ...(durability !== undefined && { durability }), ...options });
}

const POSTGRES = {
  schema: "text",
  pooler: "flag",
  profile: "text",
  poolMin: "count",
  poolMax: "count",
  statementTimeoutMs: "count",
  connectTimeoutMs: "count",
} as const;

async function openPostgres(uri: string, options: OpenOptions): Promise<Store> {
  const { own, rest } = ownParameters(uri, POSTGRES);
  const { profile, ...others } = own;
  const { postgresStore } = await import("../stores/postgres/open.ts");
  return postgresStore({
    url: rest,
    ...others,
    ...(profile !== undefined && { profile: profile as Profile }),
    ...options,
  });
}

const MONGODB = { database: "text", prefix: "text", serverSelectionTimeoutMs: "count" } as const;

async function openMongodb(uri: string, options: OpenOptions): Promise<Store> {
  const { own, rest } = ownParameters(uri, MONGODB);
  const { mongodbStore } = await import("../stores/mongodb/open.ts");
  return mongodbStore({ url: rest, ...own, ...options });
}

const REDIS = {
  prefix: "text",
  requireDurable: "flag",
  cluster: "flag",
  partitions: "count",
  commandTimeoutMs: "count",
  connectTimeoutMs: "count",
} as const;

async function openRedis(uri: string, options: OpenOptions): Promise<Store> {
  const { own, rest } = ownParameters(uri, REDIS);
  const { cluster, partitions, ...others } = own;
  if (cluster ?? namesSeveralHosts(rest)) {
    const { redisClusterStore } = await import("./redis-cluster.ts");
    return redisClusterStore({ url: rest, ...(partitions !== undefined && { partitions }), ...others, ...options });
  }
  if (partitions !== undefined)
    throw new FlujoError("STORE_URI_INVALID", "partitions: expected a cluster (several hosts, or cluster=true)");
  const { redisStore } = await import("../stores/redis/open.ts");
  return redisStore({ url: rest, ...others, ...options });
}

const namesSeveralHosts = (uri: string): boolean => /^[^/?]*,/.test(uri.replace(/^[a-z]+:\/\/(.*@)?/s, ""));

/** Credentials in a URI never reach a message: all between the slashes and the last @, and what parameters call secret. */
export const withoutSecrets = (uri: string): string =>
  uri.replace(/\/\/.*@/s, "//***@").replace(/([?&][^=&]*(?:password|secret|token|key)[^=&]*=)[^&]*/gi, "$1***");
