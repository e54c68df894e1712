import { Cluster } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT_FIBER } from "../../src/domain/ids.ts";
import type { ShardStore } from "../../src/ports/shard.ts";
import { redisPartition } from "../../src/redis.ts";
import {
  child,
  newChild,
  newMessage,
  newRun,
  OTHER_RUN,
  QUEUE,
  RUN,
  WORKER,
} from "../../src/testing/conformance/records.ts";
import { rejection, Scene } from "../../src/testing/conformance/scene.ts";
import { ManualClock } from "../../src/testing/conformance/clock.ts";
import { endChild, endRun, newEvent, park, sibling, transition } from "../../src/testing/conformance/transitions.ts";

import { hasRedisProgram, type RedisCluster, redisCluster } from "../setup/servers.ts";

const PARTITIONS = 8;
const LEASE_MS = 60_000;

describe.skipIf(!hasRedisProgram())("partitions of a Redis cluster (skipped without redis-server)", () => {
  let cluster: RedisCluster;
  let client: Cluster;
  beforeAll(async () => {
    cluster = await redisCluster();
    client = new Cluster(cluster.nodes.map(({ port }) => ({ host: "127.0.0.1", port })));
    await client.ping();
    await Promise.all(client.nodes("master").map((node) => node.ping())); // connected, so that no case opens a socket
    await client.subscribe("warm-up"); // the client's own connection for channels, too
  });
  afterAll(async () => {
    client.disconnect();
    await cluster[Symbol.asyncDispose]();
  });

  const open = (number: number): Promise<ShardStore> => redisPartition(client, number, { onWarning: () => undefined });

  it("live on different nodes, each with all keys of its runs", async () => {
    const nodes = new Map<number, string>();
    for (let number = 0; number < PARTITIONS; number++) {
      await using store = await open(number);
      await store.createRuns([newRun({ metadata: { a: 1 } })]);
      nodes.set(number, await homeOf(`{flujo:${number}}:`));
    }
    expect(new Set(nodes.values()).size).toBe(3);
  });

  /** The port of the one node that has keys under this prefix. */
  async function homeOf(prefix: string): Promise<string> {
    const ports: string[] = [];
    for (const node of client.nodes("master")) {
      const keys = await node.keys(`${prefix}*`);
      if (keys.length > 0) ports.push(String(node.options.port));
    }
    expect(ports.length).toBe(1);
    return ports[0] ?? "";
  }

  it("carry a run with children, messages and a governed queue from its start to its end", async () => {
    for (let number = 0; number < PARTITIONS; number++) {
      await using store = await redisPartition(client, number, { prefix: "life", onWarning: () => undefined });
      const scene = new Scene(store, new ManualClock(), expect);
      const lease = await scene.worker(WORKER, LEASE_MS);
      await store.putQueueRules([{ queue: QUEUE, concurrency: 5, lane: { concurrency: 2 } }]);
      await store.createRuns([newRun({ createdAt: 1 }), newRun({ id: OTHER_RUN, createdAt: 2 })]);
      const claimed = await scene.claim(lease);
      expect(claimed.map(({ run }) => run)).toEqual([RUN, OTHER_RUN]);
      const held = { run: RUN, fiber: ROOT_FIBER, lease, seq: 0 };
      const spawn = [newChild(1, { leased: true, queue: "other" })];
      const parked = await scene.pass(park(held, { names: ["join"], spawn, event: newEvent("forked") }));
      const send = [newMessage({ id: "j", name: "join" })];
      await scene.pass(endChild(sibling(held, child(1)), { send, value: 7 }));
      const [again] = await scene.claim(lease);
      expect(again).toMatchObject({ run: RUN, seq: 1, messages: [{ id: "j" }] });
      expect(await store.children(RUN, ROOT_FIBER, 1)).toMatchObject([{ value: 7 }]);
      await scene.pass(endRun(parked, { output: number }));
      expect(await store.load(RUN)).toMatchObject({ status: "completed", output: number });
    }
  });

  it("commit again when the scripts of a node were flushed", async () => {
    await using store = await open(0);
    const scene = new Scene(store, new ManualClock(), expect);
    const held = await scene.hold(await scene.worker(WORKER, LEASE_MS), { id: OTHER_RUN });
    for (const node of client.nodes("master")) await node.script("FLUSH");
    await scene.pass(transition(held));
  });

  it("hear each other over one connection", async () => {
    await using first = await open(1);
    await using second = await open(1);
    let heard = false;
    const stop = first.subscribe(() => {
      heard = true;
    });
    let runs = 0;
    await expect
      .poll(async () => {
        await second.createRuns([newRun({ id: `hint-${runs++}` as typeof RUN })]);
        return heard;
      })
      .toBe(true);
    stop();
  });

  it("have whole numbers from zero", async () => {
    for (const number of [-1, 0.5, Number.NaN]) expect((await rejection(open(number))).code).toBe("OPTION_INVALID");
  });
});
