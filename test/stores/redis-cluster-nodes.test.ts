import { flow, Flujo } from "flujo";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT_FIBER, type RunId, runId } from "../../src/domain/ids.ts";
import type { LeaseGuard } from "../../src/ports/queue.ts";
import type { Store } from "../../src/ports/store.ts";
import { redisClusterStore, type RedisClusterOptions } from "../../src/redis.ts";
import { newMessage, newRun, OTHER_WORKER, QUEUE, WORKER } from "../../src/testing/conformance/records.ts";
import { rejection } from "../../src/testing/conformance/scene.ts";
import { newEvent, transition } from "../../src/testing/conformance/transitions.ts";
import { hasRedisProgram, ownRedis, type OwnRedis, type RedisCluster, redisCluster } from "../setup/servers.ts";
import { bareClient, whenBack } from "./redis-servers.ts";

const LEASE_MS = 60_000;

const weigh = flow("weigh", { version: "1" })
  .step("weigh", (n) => (n as number) * 2)
  .build();
const order = flow("order", { version: "1" })
  .map(
    "parcels",
    () => [1, 2, 3, 4, 5, 6],
    (b) => b.call("weigh", weigh, { input: (n) => n as number }),
  )
  .waitForSignal("go", "go")
  .step("sum", () => "sent")
  .build();

describe.skipIf(!hasRedisProgram())("the nodes of a store on a Redis cluster (skipped without redis-server)", () => {
  let cluster: RedisCluster;
  let prefixes = 0;
  beforeAll(async () => {
    cluster = await redisCluster({ appendonly: "always" });
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  const urlOf = (nodes: readonly OwnRedis[]): string =>
    `redis://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(",")}`;
  const nextPrefix = (): string => `test-${prefixes++}`;
  const open = (options: RedisClusterOptions = {}): Promise<Store> =>
    redisClusterStore({ url: urlOf(cluster.nodes.slice(0, 1)), prefix: nextPrefix(), partitions: 8, ...options });

  /** The keys under a prefix on each node. */
  async function keysOf(prefix: string): Promise<readonly (readonly string[])[]> {
    return Promise.all(
      cluster.nodes.map(async ({ url }) => {
        using bare = bareClient(url);
        return await bare.client.keys(`{${prefix}:*`);
      }),
    );
  }

  /** Runs of which each lies on another node. */
  async function aRunOnEachNode(store: Store, prefix: string): Promise<readonly RunId[]> {
    const ids = Array.from({ length: 60 }, (_none, i) => runId(`run-${i}`));
    const { epoch } = await store.register(WORKER, LEASE_MS);
    await store.createRuns(
      ids.map((id) => newRun({ id, lease: { worker: WORKER, epoch }, root: { leased: true }, metadata: { a: id } })),
    );
    const keys = await keysOf(prefix);
    return keys.map((some) => ids.find((id) => some.some((key) => key.endsWith(`r:${id}`))) as RunId);
  }

  it("have all keys of one run in one slot", async () => {
    const prefix = nextPrefix();
    await using store = await open({ prefix });
    const ids = await aRunOnEachNode(store, prefix);
    expect(new Set(ids).size).toBe(3);
    for (const run of ids) await store.signal(newMessage({ run }));
    using bare = bareClient(cluster.nodes[0]?.url ?? "");
    const keys = (await keysOf(prefix)).flat();
    for (const id of ids) {
      const mine = keys.filter((key) => new RegExp(`:${id}(/|$)`).test(key));
      expect(mine.length).toBeGreaterThan(5);
      const slots = await Promise.all(mine.map((key) => bare.client.cluster("KEYSLOT", key)));
      expect(new Set(slots).size).toBe(1);
    }
  });

  it("are lost one at a time: their partitions fail, the others go on, and nothing acknowledged is gone (I3)", async () => {
    const prefix = nextPrefix();
    await using store = await open({ prefix, commandTimeoutMs: 2_000 });
    const runs = await aRunOnEachNode(store, prefix);
    const [{ epoch } = { epoch: 0 }] = await store.workers();
    const lease = { worker: WORKER, epoch };
    const at = (run: RunId, seq: number) =>
      store.commit([transition({ run, fiber: ROOT_FIBER, lease, seq }, { event: newEvent(seq) })]);
    const [here, there] = [runs[0] as RunId, runs[1] as RunId];
    let acknowledged = 0;
    const failure = await rejection(
      (async () => {
        for (; acknowledged < 100_000; acknowledged++) {
          expect(await at(there, acknowledged)).toMatchObject([{ status: "committed" }]);
          if (acknowledged === 50) void cluster.nodes[1]?.kill();
        }
      })(),
    );
    expect(failure.code).toBe("STORE_UNAVAILABLE");
    expect(acknowledged).toBeGreaterThanOrEqual(50);
    expect(await at(here, 0)).toMatchObject([{ status: "committed" }]);
    expect((await rejection(store.load(there))).code).toBe("STORE_UNAVAILABLE");
    await cluster.nodes[1]?.start();
    const events = await whenBack(() => store.history(there));
    expect(events.length - 1).toBeGreaterThanOrEqual(acknowledged);
    const seq = events.length - 1; // the one whose answer was lost may be in
    expect(await at(there, seq)).toMatchObject([{ status: "committed" }]);
    expect(await at(here, 1)).toMatchObject([{ status: "committed" }]);
  });

  it("carry flows of one Flujo from start to end, child runs and signals on any of them", async () => {
    const prefix = nextPrefix();
    await using flujo = new Flujo({
      store: `${urlOf(cluster.nodes)}?prefix=${prefix}&partitions=8`,
      flows: [weigh, order],
    });
    const ids = Array.from({ length: 6 }, (_none, i) => `order-${i}`);
    for (const id of ids) await flujo.start(order, null, { id });
    for (const id of ids) await flujo.signal(id, "go", null);
    for (const id of ids) {
      expect(await flujo.result(id, { until: "end" })).toMatchObject({ status: "completed", output: "sent" });
    }
    expect((await flujo.list({ flow: "weigh", limit: 100 })).items).toHaveLength(36);
    for (const keys of await keysOf(prefix)) expect(keys.length).toBeGreaterThan(0);
  });

  it("are heard over one connection of each store", async () => {
    const prefix = nextPrefix();
    await using first = await open({ prefix });
    await using second = await open({ prefix });
    let heard = 0;
    const stop = second.subscribe(() => {
      heard += 1;
    });
    let runs = 0;
    await expect
      .poll(async () => {
        await first.createRuns([newRun({ id: runId(`hint-${runs++}`) })]);
        return heard;
      })
      .toBeGreaterThan(3);
    const listening = cluster.nodes.map(async ({ url }) => {
      using bare = bareClient(url);
      return ((await bare.client.call("CLIENT", "LIST", "TYPE", "pubsub")) as string).match(/sub=[1-9]/g)?.length ?? 0;
    });
    expect((await Promise.all(listening)).reduce((sum, count) => sum + count)).toBe(1);
    stop();
  });

  it("keep the lease of a worker whose event loop is blocked, by one thread for all", async () => {
    await using store = await open();
    const leaseMs = 600;
    const { epoch } = await store.register(WORKER, leaseMs);
    const request = { worker: WORKER, epoch, leaseMs, everyMs: 50, giveUpMs: 60_000 };
    const guard = store.guard?.(request) as LeaseGuard;
    await expect.poll(() => guard.renewedAt, { interval: 1 }).toBeGreaterThan(0);
    guard.beaten();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3 * leaseMs); // nothing else comes round meanwhile
    expect(await store.sweep()).toEqual({ workers: [], fibers: 0 });
    await guard.stop();
    await guard.stop();
  });

  it("are all asked whether they keep what they are given, and one warning says so", async () => {
    using bare = bareClient(cluster.nodes[2]?.url ?? "");
    await bare.client.config("SET", "appendonly", "no");
    const warnings: string[] = [];
    await using store = await open({ onWarning: (message) => warnings.push(message) });
    expect([warnings.length, store.capabilities.durable, store.capabilities.name]).toEqual([1, false, "redis-cluster"]);
    expect(warnings[0]).toContain("appendonly is off");
    expect((await rejection(open({ requireDurable: true }))).code).toBe("STORE_NOT_DURABLE");
    await bare.client.config("SET", "appendonly", "yes");
    await using durable = await open({ requireDurable: true });
    expect(durable.capabilities.durable).toBe(true);
  });

  it("have no rules of queues", async () => {
    await using store = await open();
    const refused = await rejection(store.putQueueRules([{ queue: QUEUE, concurrency: 1 }]));
    expect(refused.code).toBe("QUEUE_RULES_UNSUPPORTED");
  });

  it("are refused under another number of partitions", async () => {
    const prefix = nextPrefix();
    await using store = await open({ prefix });
    await store.register(OTHER_WORKER, LEASE_MS);
    expect((await rejection(open({ prefix, partitions: 4 }))).code).toBe("SHARDS_CHANGED");
  });

  it("may be given as a client only, or as a URL only, and in a whole number of partitions", async () => {
    for (const bad of [{ url: undefined }, { partitions: 0 }, { partitions: 1.5 }, { prefix: "{a}" }]) {
      expect(
        (await rejection(redisClusterStore({ url: urlOf(cluster.nodes), ...bad } as RedisClusterOptions))).code,
      ).toBe("OPTION_INVALID");
    }
  });

  it("are refused where nobody is there, or where there is no cluster", async () => {
    const nobody = await rejection(redisClusterStore({ url: "redis://u:geheim@127.0.0.1:1" }));
    expect(nobody.message).toMatch(/^cannot connect to redis:\/\/127.0.0.1:1: /);
    await using single = await ownRedis();
    const refused = await rejection(redisClusterStore({ url: single.url }));
    expect([refused.code, refused.message]).toEqual([
      "STORE_UNAVAILABLE",
      expect.stringContaining("cluster support disabled"),
    ]);
  });
});
