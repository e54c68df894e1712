import { describe, expect, test } from "vitest";
import { memoryStore } from "../../src/stores/memory/store.ts";
import { shardedStore } from "../../src/sharded.ts";
import { storeConformance } from "../../src/testing/conformance/conformance.ts";
import { modelSize } from "./model-size.ts";

for (const shards of [2, 3]) {
  storeConformance(
    {
      ...modelSize(),
      name: `sharded (${shards} in memory)`,
      open: async ({ clock }) => shardedStore({ shards: Array.from({ length: shards }, () => memoryStore({ clock })) }),
      lacks: {
        "queue-rules": "a queue is spread over all shards",
        lanes: "a queue is spread over all shards",
        rates: "a queue is spread over all shards",
        order: "priority and due time order what one shard holds",
        reject: "memory keeps values as they are, so there is none that it cannot store",
        reopen: "memory is gone with its process",
        shard: "it is what shards are parts of",
      },
    },
    { describe, expect, test },
  );
}
