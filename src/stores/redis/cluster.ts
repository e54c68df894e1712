import { FlujoError } from "../../domain/errors.ts";
import type { ShardStore } from "../../ports/shard.ts";
import { connectionOf, type IoredisCluster, type NodeRedisCluster, type RedisConnection } from "./client.ts";
import { type ClusterPlace, clusterOptions, clusterPlaceOf, connectCluster } from "./connect-cluster.ts";
import type { Timeouts } from "./connect.ts";
import { sharedGuard } from "./guard.ts";
import { checkPrefix, checkTimeouts, openPartition, type Owned, prefixOf, type RedisStoreOptions } from "./open.ts";

/** A power of two well above the nodes of most clusters; each partition costs a worker one claim and one heartbeat. */
const PARTITIONS = 16;
/** More would cost more in heartbeats than they spread. */
const MOST_PARTITIONS = 1_024;

export interface RedisClusterOptions extends Omit<RedisStoreOptions, "url" | "client"> {
  /** `redis://[[user]:password@]host[:port][,host[:port]…]`, or `rediss://` for TLS: some nodes, which tell of the others. */
  readonly url?: string;
  /** A connected client instead of a URL: a `Cluster` of ioredis, or a cluster of node-redis. Its owner closes it, after the store. */
  readonly client?: IoredisCluster | NodeRedisCluster;
  /** Over how many slots the runs are spread, from 1 to 1,024, decided once and for all. Default 16. */
  readonly partitions?: number;
}

/**
 * The partitions of a store on a cluster, being opened, in their order. They share one client, and what it opened for channels;
 * it is closed with the last of them. Throws what `redisStore` throws.
 */
export async function clusterPartitions(options: RedisClusterOptions): Promise<readonly Promise<ShardStore>[]> {
  const { url, client, prefix = "flujo", partitions = PARTITIONS } = options;
  const { commandTimeoutMs = 10_000, connectTimeoutMs = 5_000 } = options;
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > MOST_PARTITIONS) {
    throw new FlujoError(
      "OPTION_INVALID",
      `partitions: expected a whole number from 1 to ${MOST_PARTITIONS} but found ${partitions}`,
    );
  }
  checkPrefix(prefix);
  checkTimeouts({ commandTimeoutMs, connectTimeoutMs });
  const numbers = Array.from({ length: partitions }, (_none, number) => number);
  const openAll = (connection: RedisConnection, where: string, owned: Owned): readonly Promise<ShardStore>[] =>
    numbers.map(async (number) => openPartition(connection, number, warnedOnce({ ...options, where }, number), owned));
  if (client !== undefined && url === undefined) return openAll(connectionOf(client), "the Redis cluster", {});
  if (client !== undefined || url === undefined) {
    const found = url === undefined ? "neither" : "both";
    throw new FlujoError("OPTION_INVALID", `expected a url or a client but found ${found}`);
  }
  const place = clusterPlaceOf(url);
  const timeouts = { commandTimeoutMs, connectTimeoutMs };
  const { connection, disconnect } = await connectCluster(place, timeouts);
  const prefixes = numbers.map((number) => prefixOf(prefix, number));
  return openAll(connection, place.where, {
    disconnect: afterLast(partitions, disconnect),
    guard: guardOf(place, timeouts, prefixes),
  });
}

/** All partitions ask the same servers, so the first one says what is to be said of them. */
const warnedOnce = <Options extends RedisClusterOptions>(options: Options, number: number): Options =>
  number === 0 ? options : { ...options, onWarning: () => undefined };

function afterLast(count: number, act: () => void): () => void {
  let left = count;
  return () => {
    left -= 1;
    if (left === 0) act();
  };
}

const guardOf = (place: ClusterPlace, timeouts: Timeouts, prefixes: readonly string[]): Required<Owned>["guard"] =>
  sharedGuard({ kind: "Cluster", to: place.nodes, options: clusterOptions(place.access, timeouts), prefixes });
