/** `flujo/sharded`: several stores as one. */
export { shardedStore, type ShardedStoreOptions } from "./stores/sharded/open.ts";
export type { Effect, OutboxEntry, ShardStore, ShardTransition } from "./ports/shard.ts";
