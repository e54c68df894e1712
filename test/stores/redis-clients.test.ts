import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type NodeRedisClient,
  type NodeRedisCluster,
  type NodeRedisSubscriber,
  redisPartition,
} from "../../src/redis.ts";
import { ManualClock } from "../../src/testing/conformance/clock.ts";
import { newRun, RUN, WORKER } from "../../src/testing/conformance/records.ts";
import { Scene } from "../../src/testing/conformance/scene.ts";
import { endRun, newEvent, transition } from "../../src/testing/conformance/transitions.ts";
import { type FreshPrefix, freshPrefix, sharedServer, titled, urlOf } from "../setup/servers.ts";

const redis = await sharedServer("redis");

/** Answers hashes as records, as node-redis does under RESP3. */
const asRecord = (command: string | undefined, answer: unknown): unknown => {
  if (!Array.isArray(answer) || (command !== "HGETALL" && command !== "CONFIG")) return answer;
  return Object.fromEntries(answer.flatMap((key, i) => (i % 2 === 0 ? [[key, answer[i + 1]]] : [])));
};

/** What the store uses of node-redis, in the shape of node-redis, on a connection of ioredis. */
function nodeRedisLike(client: Redis): NodeRedisClient {
  return {
    sendCommand: async ([command = "", ...args]) => asRecord(command, await client.call(command, ...args)),
    duplicate: () => subscriberLike(client),
  };
}

function subscriberLike(client: Redis): NodeRedisSubscriber {
  const own = client.duplicate({ lazyConnect: true });
  return {
    connect: () => own.connect(),
    subscribe: async (channel, heard) => {
      own.on("message", (from, text) => {
        if (from === channel) heard(text);
      });
      await own.subscribe(channel);
    },
    unsubscribe: (channel) => own.unsubscribe(channel),
    on: (event, heard) => own.on(event, heard),
    destroy: () => own.disconnect(),
  };
}

/** The cluster of node-redis wants the key by which it finds the node. */
const clusterLike = (client: Redis, keys: string[]): NodeRedisCluster => ({
  masters: ["the one"],
  nodeClient: async () => nodeRedisLike(client),
  sendCommand: async (key, _isReadonly, [command = "", ...args]) => {
    keys.push(key);
    return asRecord(command, await client.call(command, ...args));
  },
  duplicate: () => subscriberLike(client),
});

describe.skipIf(!redis.run)(titled("a Redis store on a given client", redis), () => {
  let client: Redis;
  let fresh: FreshPrefix;
  const keys: string[] = [];
  beforeAll(async () => {
    client = new Redis(urlOf(redis));
    await client.ping(); // connected, so that no case is taken for the one that opened the socket
    fresh = freshPrefix(redis);
  });
  afterAll(async () => {
    await fresh[Symbol.asyncDispose]();
    client.disconnect();
  });

  for (const [number, [what, like]] of (
    [
      ["ioredis", () => client],
      ["node-redis", () => nodeRedisLike(client)],
      ["a cluster of node-redis", () => clusterLike(client, keys)],
    ] as const
  ).entries()) {
    it(`works with ${what}, and leaves it open`, async () => {
      const options = { prefix: fresh.prefix, onWarning: () => undefined };
      const store = await redisPartition(like(), number, options);
      const scene = new Scene(store, new ManualClock(), expect);
      await using other = await redisPartition(like(), number, options);
      let heard = false;
      const stop = other.subscribe(() => {
        heard = true;
      });
      const held = await scene.hold(await scene.worker(WORKER, 60_000), { metadata: { a: 1 } });
      await scene.signal();
      expect(await store.messages(RUN)).toMatchObject([{ name: "paid" }]);
      await store.putQueueRules([{ queue: "mail", concurrency: 1 }]);
      expect(await store.queueRules()).toEqual([{ queue: "mail", concurrency: 1 }]);
      const worked = await scene.pass(transition(held, { event: newEvent("worked") }));
      await scene.pass(endRun(worked, { output: [] }));
      expect((await other.list({ metadata: { a: 1 } })).items).toMatchObject([{ id: RUN, output: [] }]);
      let runs = 0;
      await expect
        .poll(async () => {
          await store.createRuns([newRun({ id: `hint-${runs++}` as typeof RUN })]);
          return heard;
        })
        .toBe(true);
      stop();
      await store.close();
      expect(await client.ping()).toBe("PONG");
    });
  }

  it("tells a cluster of node-redis the partition as the key of each command", () => {
    expect(new Set(keys)).toEqual(new Set([`{${fresh.prefix}:2}:`]));
  });

  it("has no guard: it cannot open a second connection like the given one", async () => {
    await using store = await redisPartition(client, 9, { prefix: fresh.prefix, onWarning: () => undefined });
    expect("guard" in store && store.guard !== undefined).toBe(false);
  });
});
