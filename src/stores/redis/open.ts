import { randomUUID } from "node:crypto";
import type { Clock } from "../../domain/ambient.ts";
import { FlujoError } from "../../domain/errors.ts";
import { REDIS } from "../../ports/capabilities.ts";
import type { GuardRequest, LeaseGuard } from "../../ports/queue.ts";
import type { ShardStore } from "../../ports/shard.ts";
import type { Store } from "../../ports/store.ts";
import { connectionOf, type RedisClient, type RedisConnection } from "./client.ts";
import { connect, placeOf, type Timeouts } from "./connect.ts";
import { type Durability, durabilityOf, requireDurability } from "./durability.ts";
import { storeError } from "./errors.ts";
import { guardLease } from "./guard.ts";
import { Hints } from "./hints.ts";
import { migrate, versionOf } from "./migrations.ts";
import { Partition } from "./partition.ts";
import { RedisStore } from "./store.ts";

export interface RedisStoreOptions {
  /** `redis://[[user]:password@]host[:port][/database]`, or `rediss://` for TLS. */
  readonly url?: string;
  /** A connected client instead of a URL: of ioredis or node-redis. Its owner closes it, after the store. */
  readonly client?: RedisClient;
  /** What the keys of this store begin with. Default `flujo`. Several stores may share one Redis under different prefixes. */
  readonly prefix?: string;
  /** Whether to refuse a server without AOF (STORE_NOT_DURABLE) instead of warning. Default false. */
  readonly requireDurable?: boolean;
  /** How long to wait for the answer to one command, in milliseconds. Default 10,000. Only with `url`. */
  readonly commandTimeoutMs?: number;
  /** How long to wait for a connection, in milliseconds. Default 5,000. Only with `url`. */
  readonly connectTimeoutMs?: number;
  /** Hears what the owner of the server should know. Default: `process.emitWarning`. */
  readonly onWarning?: (message: string) => void;
  /** The store's clock, for tests. Default: the clock of the server. */
  readonly clock?: Pick<Clock, "now">;
  /** Whether to create or upgrade the schema now. Default true; otherwise `migrate()` does it later. */
  readonly migrate?: boolean;
}

export interface RedisPartitionOptions
  extends Pick<RedisStoreOptions, "prefix" | "requireDurable" | "onWarning" | "clock" | "migrate"> {
  /** How the server is called in messages. */
  readonly where?: string;
}

/**
 * Opens a store on one Redis (6.2 or later), or on one partition's worth of a cluster. Acknowledged work survives the end of the
 * server as its AOF does: `appendfsync always` each commit, `everysec` all but the last second when the machine dies.
 *
 * Throws OPTION_INVALID, STORE_URI_INVALID, DEPENDENCY_MISSING (`npm i ioredis`), STORE_UNAVAILABLE, STORE_NOT_DURABLE,
 * STORE_FOREIGN, STORE_TOO_NEW.
 *
 *   await using store = await redisStore({ url: "redis://localhost:6379" });
 *
 * Source: Fluxo, Redis backend.
 */
export async function redisStore(options: RedisStoreOptions): Promise<Store> {
  const { url, client, prefix = "flujo", commandTimeoutMs = 10_000, connectTimeoutMs = 5_000 } = options;
  if ((url === undefined) === (client === undefined)) {
    throw new FlujoError(
      "OPTION_INVALID",
      `expected a url or a client but found ${url === undefined ? "neither" : "both"}`,
    );
  }
  checkPrefix(prefix);
  checkTimeouts({ commandTimeoutMs, connectTimeoutMs });
  if (client !== undefined) return openPartition(connectionOf(client), 0, options);
  const where = placeOf(url ?? "");
  const { connection, disconnect } = await connect({ url: url ?? "", commandTimeoutMs, connectTimeoutMs });
  const threadOptions = { connectTimeout: connectTimeoutMs, commandTimeout: commandTimeoutMs, maxRetriesPerRequest: 0 };
  const guard = (request: GuardRequest): LeaseGuard =>
    guardLease({ kind: "Redis", to: url, options: threadOptions, prefixes: [prefixOf(prefix, 0)] }, request);
  return openPartition(connection, 0, { ...options, where }, { disconnect, guard });
}

/**
 * One of several partitions of a store: its keys lie in one slot of a cluster, `{prefix:number}:…`. The client is shared by all of
 * them and stays open when they close.
 */
export async function redisPartition(
  client: RedisClient,
  number: number,
  options: RedisPartitionOptions = {},
): Promise<ShardStore> {
  checkPrefix(options.prefix ?? "flujo");
  if (!Number.isInteger(number) || number < 0) {
    throw new FlujoError("OPTION_INVALID", `number: expected a whole number from 0 but found ${number}`);
  }
  return openPartition(connectionOf(client), number, options);
}

/** What a store that has opened its own connection can do besides: close it, and open another one in a thread. */
export interface Owned {
  readonly disconnect?: () => void;
  readonly guard?: (request: GuardRequest) => LeaseGuard;
}

/** Braces hold what decides on the slot. */
export const prefixOf = (prefix: string, number: number): string => `{${prefix}:${number}}:`;

export async function openPartition(
  connection: RedisConnection,
  number: number,
  options: RedisPartitionOptions,
  { disconnect, guard }: Owned = {},
): Promise<ShardStore> {
  const { prefix = "flujo", clock, where = "the Redis server", requireDurable = false, onWarning = warn } = options;
  try {
    const now = clock === undefined ? () => "" : () => String(clock.now());
    const partition = new Partition(connection, prefixOf(prefix, number), { where, now });
    const durability = await durabilityOf(connection);
    if (requireDurable) requireDurability(durability, where);
    if (options.migrate ?? true) await migrate(partition);
    else await versionOf(partition);
    tell(durability, where, onWarning);
    return new RedisStore({
      partition,
      capabilities: { ...REDIS, durable: durability.durable },
      hints: new Hints(partition, randomUUID()),
      release: disconnect,
      // With a clock of its own (tests) there is no guard: its thread only knows the server's.
      guard: clock === undefined ? guard : undefined,
    });
  } catch (error) {
    disconnect?.();
    throw storeError(error, where);
  }
}

export function checkTimeouts(timeouts: Timeouts): void {
  for (const [name, value] of Object.entries(timeouts)) {
    if (Number.isInteger(value) && value >= 1) continue;
    throw new FlujoError(
      "OPTION_INVALID",
      `${name}: expected a whole number of milliseconds from 1 but found ${value}`,
    );
  }
}

/** Braces would move the hash tag, and with it the slot. */
export function checkPrefix(prefix: string): void {
  if (/^[^{}]{1,128}$/.test(prefix)) return;
  throw new FlujoError("OPTION_INVALID", `prefix: expected 1 to 128 characters without braces but found "${prefix}"`);
}

const warn = (message: string): void => process.emitWarning(message, { type: "FlujoWarning" });

function tell({ warnings }: Durability, where: string, onWarning: (message: string) => void): void {
  if (warnings.length > 0) onWarning(`${where}: ${warnings.join("; ")}`);
}
