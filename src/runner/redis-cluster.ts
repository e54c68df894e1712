import type { Store } from "../ports/store.ts";
import { clusterPartitions, type RedisClusterOptions } from "../stores/redis/cluster.ts";
import { shardedStore } from "../stores/sharded/open.ts";

/**
 * Opens a store on a Redis Cluster (6.2 or later): its runs are spread over partitions, each in one slot and so on one node, and
 * joined as `shardedStore` says. Each run keeps every promise of a single server. While a node is away operations on its
 * partitions fail with STORE_UNAVAILABLE, and the others go on where the cluster does (`cluster-require-full-coverage no`, or a
 * replica that takes over). A replica that takes over may lack what was acknowledged last: Redis replicates afterwards.
 *
 * Queues have no rules there (QUEUE_RULES_UNSUPPORTED), and claims have no order over all runs.
 *
 * Throws OPTION_INVALID, STORE_URI_INVALID, DEPENDENCY_MISSING (`npm i ioredis`), STORE_UNAVAILABLE, STORE_NOT_DURABLE (any
 * master without AOF, where `requireDurable`), STORE_FOREIGN, STORE_TOO_NEW, SHARDS_CHANGED (another number of partitions).
 *
 *   await using store = await redisClusterStore({ url: "redis://one:7000,two:7000,three:7000" });
 */
export async function redisClusterStore(options: RedisClusterOptions): Promise<Store> {
  const { migrate } = options;
  const shards = await clusterPartitions(options);
  return shardedStore({ shards, name: "redis-cluster", ...(migrate !== undefined && { migrate }) });
}
