import { Cluster } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Clock } from "../../src/domain/ambient.ts";
import type { Store } from "../../src/ports/store.ts";
import { redisClusterStore } from "../../src/redis.ts";
import { storeConformance } from "../../src/testing/conformance/conformance.ts";
import { hasRedisProgram, type RedisCluster, redisCluster } from "../setup/servers.ts";
import { modelSize } from "./model-size.ts";

/** Three nodes have some each; a case that opens a store need not wait for sixteen. */
const PARTITIONS = 4;

describe.skipIf(!hasRedisProgram())("a store on a Redis cluster (skipped without redis-server)", () => {
  let cluster: RedisCluster;
  let client: Cluster;
  const prefixes = new WeakMap<Store, string>();
  let cases = 0;
  beforeAll(async () => {
    cluster = await redisCluster();
    client = new Cluster(cluster.nodes.map(({ port }) => ({ host: "127.0.0.1", port })));
    await client.ping();
    await Promise.all(client.nodes("master").map(async (node) => node.ping())); // connected, so that no case opens a socket
    await client.subscribe("warm-up"); // the client's own connection for channels, too
  });
  afterAll(async () => {
    client.disconnect();
    await cluster[Symbol.asyncDispose]();
  });

  async function openAt(prefix: string, clock: Clock, migrate: boolean): Promise<Store> {
    const options = { client, prefix, clock, migrate, partitions: PARTITIONS, onWarning: () => undefined };
    const store = await redisClusterStore(options);
    prefixes.set(store, prefix);
    return store;
  }

  storeConformance(
    {
      name: "redis-cluster",
      open: async ({ clock }) => openAt(`case-${cases++}`, clock, true),
      openBare: async ({ clock }) => openAt(`case-${cases++}`, clock, false),
      reopen: async (store, { clock }) => {
        await store.close();
        return openAt(prefixes.get(store) ?? "", clock, true);
      },
      lacks: {
        "queue-rules": "a queue is spread over all partitions",
        lanes: "a queue is spread over all partitions",
        rates: "a queue is spread over all partitions",
        order: "priority and due time order what one partition holds",
        shard: "it is what shards are parts of",
      },
      ...modelSize(),
    },
    { describe, expect, test },
  );
});
