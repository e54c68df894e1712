/** `flujo/redis`: the store on a Redis server or cluster. */
export { redisPartition, type RedisPartitionOptions, redisStore, type RedisStoreOptions } from "./stores/redis/open.ts";
export { redisClusterStore } from "./runner/redis-cluster.ts";
export type { RedisClusterOptions } from "./stores/redis/cluster.ts";
export type {
  IoredisClient,
  IoredisCluster,
  IoredisSubscriber,
  NodeRedisClient,
  NodeRedisCluster,
  NodeRedisSubscriber,
  RedisClient,
} from "./stores/redis/client.ts";
