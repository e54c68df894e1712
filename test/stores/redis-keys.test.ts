import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fingerprintOf, runId } from "../../src/domain/ids.ts";
import { sha256 } from "../../src/domain/sha256.ts";
import type { ShardStore } from "../../src/ports/shard.ts";
import { redisPartition } from "../../src/redis.ts";
import { ManualClock } from "../../src/testing/conformance/clock.ts";
import {
  blobOf,
  child,
  FINGERPRINT,
  newChild,
  newMessage,
  newRun,
  OTHER_RUN,
  QUEUE,
  RUN,
  START_MS,
} from "../../src/testing/conformance/records.ts";
import { Scene } from "../../src/testing/conformance/scene.ts";
import { endChild, endRun, newEvent, park, sibling, transition } from "../../src/testing/conformance/transitions.ts";
import { type FreshPrefix, freshPrefix, sharedServer, titled, urlOf } from "../setup/servers.ts";

const redis = await sharedServer("redis");
const OTHER_FINGERPRINT = fingerprintOf(sha256("other"));

describe.skipIf(!redis.run)(titled("the keys of a Redis store", redis), () => {
  let client: Redis;
  let fresh: FreshPrefix;
  let partitions = 0;
  beforeAll(async () => {
    client = new Redis(urlOf(redis));
    await client.ping(); // connected, so that no case is taken for the one that opened the socket
    fresh = freshPrefix(redis);
  });
  afterAll(async () => {
    await fresh[Symbol.asyncDispose]();
    client.disconnect();
  });

  async function open(): Promise<{ readonly scene: Scene; readonly store: ShardStore; readonly prefix: string }> {
    const clock = new ManualClock(START_MS);
    const number = partitions++;
    const store = await redisPartition(client, number, { prefix: fresh.prefix, clock, onWarning: () => undefined });
    return { scene: new Scene(store, clock, expect), store, prefix: `{${fresh.prefix}:${number}}:` };
  }

  async function keysOf(prefix: string): Promise<readonly string[]> {
    const keys: string[] = [];
    let cursor = "0";
    do {
      const [next, some] = await client.scan(cursor, "MATCH", `${prefix}*`, "COUNT", 1_000);
      keys.push(...some);
      cursor = next;
    } while (cursor !== "0");
    return [...new Set(keys)].toSorted();
  }

  it("lie in one slot, whatever they are for", async () => {
    const { scene, store, prefix } = await open();
    const lease = await scene.worker();
    await store.putQueueRules([{ queue: "mail", concurrency: 2, lane: { rate: { count: 5, perMs: 1_000 } } }]);
    await scene.start({ id: OTHER_RUN, root: { queue: "mail", lane: "red {lane}" }, metadata: { "a{b}": "c" } });
    await scene.claim(lease, { queues: ["mail"] });
    const held = await scene.hold(lease, { id: runId("run-a"), blobs: [blobOf("x")] });
    const spawn = [newChild(1, { leased: true }), newChild(2)];
    await scene.pass(park(held, { names: ["paid", "{other}"], spawn, event: newEvent("parked") }));
    await scene.pass(endChild(sibling(held, child(1))));
    await scene.signal({ run: runId("run-a"), name: "{note}" });
    await store.putSchedule({ id: "nightly", spec: 1 });
    await store.mark("shard", "1");
    const found = await keysOf(prefix);
    expect(found.length).toBeGreaterThan(25);
    const tag = /\{(.*?)\}/;
    expect(new Set(found.map((key) => tag.exec(key)?.[1])).size).toBe(1);
  });

  it("go with their runs: what is left is counters, lists of nothing, and the worker", async () => {
    const { scene, store, prefix } = await open();
    const lease = await scene.worker();
    const before = await keysOf(prefix);
    for (let round = 0; round < 3; round++) {
      const id = runId(`run-${round}`);
      const held = await scene.hold(lease, { id, blobs: [blobOf("x")], metadata: { round } });
      const spawn = [newChild(1, { leased: true }), newChild(2, { leased: true }), newChild(3)];
      await scene.pass(transition(held, { spawn }));
      await scene.pass(park(sibling(held, child(1)), { names: ["paid", "late"] }));
      await scene.pass(endChild(sibling(held, child(2))));
      await scene.signal({ run: id, name: "note" });
      await scene.signal({ run: id, name: "paid", id: "m2" });
      await scene.pass(endRun({ ...held, seq: 1 }));
    }
    expect(await store.prune({ endedBefore: START_MS + 1 })).toBe(3);
    expect((await keysOf(prefix)).filter((key) => !before.includes(key))).toEqual([]);
  });

  it("of governed queues go when nothing waits and nothing is held", async () => {
    const { scene, store, prefix } = await open();
    const lease = await scene.worker();
    const before = await keysOf(prefix);
    await store.putQueueRules([
      { queue: QUEUE, concurrency: 9, lane: { concurrency: 2, rate: { count: 5, perMs: 1_000 } } },
    ]);
    for (const lane of ["red", "blue"]) await scene.start({ id: runId(lane), root: { lane } });
    for (const { run, key, seq } of await scene.claim(lease)) await scene.pass(endRun({ run, fiber: key, lease, seq }));
    scene.clock.advance(10_000);
    expect(await scene.claim(lease)).toEqual([]);
    expect(await scene.claim(lease)).toEqual([]);
    await store.prune({ endedBefore: START_MS + 1 });
    await store.putQueueRules([{ queue: QUEUE }]);
    expect((await keysOf(prefix)).filter((key) => !before.includes(key))).toEqual([]);
  });

  for (const letter of ["e:run-1", "m:run-1", "F:run-1", "r:run-1", "f:run-1/0"]) {
    it(`reject one transition when ${letter} is of another type, and write its neighbours whole`, async () => {
      const { scene, store, prefix } = await open();
      const lease = await scene.worker();
      const bad = await scene.hold(lease);
      const good = await scene.hold(lease, { id: OTHER_RUN });
      await client.del(prefix + letter);
      await client.set(prefix + letter, "somebody else's");
      const batch = [
        park(bad, { event: newEvent("x"), send: [newMessage()], spawn: [newChild(1)] }),
        transition(good, { event: newEvent("good"), value: "new" }),
      ];
      const outcomes = await store.commit(batch);
      expect(outcomes).toMatchObject([{ status: "rejected" }, { status: "committed" }]);
      expect(await client.get(prefix + letter)).toBe("somebody else's");
      expect(await scene.facts(OTHER_RUN)).toEqual([["created"], "good"]);
      if (letter !== "f:run-1/0") expect(await client.hget(`${prefix}f:run-1/0`, "n")).toBe("0");
    });
  }

  for (const letter of ["e", "m", "F", "r", "k"]) {
    it(`reject the end of a run when its ${letter} is of another type, and write nothing of it`, async () => {
      const { scene, store, prefix } = await open();
      const held = await scene.hold(await scene.worker());
      await client.del(`${prefix}${letter}:${RUN}`);
      await client.set(`${prefix}${letter}:${RUN}`, "somebody else's");
      const [outcome] = await store.commit([endRun(held, {}, { event: newEvent("x") })]);
      expect(outcome).toMatchObject({ status: "rejected" });
      expect(await client.hget(`${prefix}f:${RUN}/0`, "n")).toBe("0");
      expect(await client.zcard(`${prefix}le`)).toBe(0);
      if (letter !== "e") expect(await client.llen(`${prefix}e:${RUN}`)).toBe(1);
    });
  }

  it("reject a run one of whose keys is somebody else's, and create its neighbours", async () => {
    const { scene, store, prefix } = await open();
    await client.set(`${prefix}e:${RUN}`, "somebody else's");
    const outcomes = await store.createRuns([newRun(), newRun({ id: OTHER_RUN })]);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "created"]);
    expect(await store.load(RUN)).toBe(undefined);
    expect(await scene.status(OTHER_RUN)).toBe("pending");
  });

  it("may lose a fiber that still waits in its queue: the claim passes it over, once", async () => {
    const { scene, prefix } = await open();
    await scene.start();
    await scene.start({ id: OTHER_RUN });
    await client.del(`${prefix}f:${RUN}/0`);
    const lease = await scene.worker();
    expect(await scene.claimedKeys(lease)).toEqual([`${OTHER_RUN}/0`]);
    expect(await scene.store.nextDue({ queues: [QUEUE], fingerprints: [newRun().fingerprint] })).toBe(undefined);
  });

  it("hand out what cannot be decoded for its worker to condemn, and hold up nobody else", async () => {
    const { scene, prefix } = await open();
    await scene.start();
    await scene.start({ id: OTHER_RUN });
    await client.hset(`${prefix}f:${RUN}/0`, "s", "{broken");
    const claimed = await scene.claim(await scene.worker());
    expect(claimed.map(({ run }) => run)).toEqual([RUN, OTHER_RUN]);
    expect(claimed[0]?.state).toMatchObject({ $undecodable: expect.stringContaining("state of the fiber run-1/0") });
  });

  it("take a batch of several scripts in its order, also when the server has forgotten them", async () => {
    const { scene, store } = await open();
    const held = await scene.hold(await scene.worker());
    for (let round = 0; round < 2; round++) {
      const seqs = Array.from({ length: 500 }, (_none, i) => round * 500 + i);
      const batch = seqs.map((seq) => transition({ ...held, seq }, { event: newEvent(seq) }));
      const outcomes = await store.commit(batch);
      expect(outcomes.filter(({ status }) => status !== "committed")).toEqual([]);
      expect((await scene.facts()).slice(1)).toEqual(Array.from({ length: 500 * (round + 1) }, (_none, i) => i));
      await client.script("FLUSH");
    }
  });

  it("count in steps what is leased when rules begin to count it, and no more when they end", async () => {
    const { scene, store, prefix } = await open();
    const lease = await scene.worker();
    const count = 700;
    const leased = Array.from({ length: count }, (_none, i) =>
      newRun({ id: runId(`run-${i}`), lease, root: { leased: true, lane: `lane-${i % 7}` } }),
    );
    await store.createRuns(leased);
    await scene.start({ id: runId("late"), root: { lane: "lane-0" } });
    const key = `${prefix}G:${QUEUE}`;
    const places = async (): Promise<readonly number[]> => [
      await client.zcard(key),
      await client.zlexcount(key, "[lane-0\0", "(lane-0\x01"),
    ];
    await store.putQueueRules([{ queue: QUEUE, concurrency: count }]);
    expect(await places()).toEqual([count, 100]);
    expect(await scene.claim(lease)).toEqual([]);
    await store.putQueueRules([{ queue: QUEUE, lane: { concurrency: 100 } }]);
    expect(await places()).toEqual([count, 100]);
    expect(await scene.claim(lease)).toEqual([]);
    await store.putQueueRules([{ queue: QUEUE, rate: { count: 1, perMs: 1_000 } }]);
    expect(await places()).toEqual([0, 0]);
    const half = store.putQueueRules([{ queue: QUEUE, concurrency: count + 1 }]);
    expect(await scene.claim(lease)).toEqual([]); // it counts on, and admits nothing before the last
    await half;
    expect(await scene.claimedKeys(lease)).toEqual(["late/0"]);
    await store.putQueueRules([{ queue: QUEUE }]);
    expect([await places(), await store.queueRules()]).toEqual([[0, 0], []]);
    expect(await client.exists(`${prefix}R`, `${prefix}y:${QUEUE}`)).toBe(0);
  });

  it("let a claim pass lanes of unknown definitions by, so many at a time", async () => {
    const { scene, store } = await open();
    await store.putQueueRules([{ queue: QUEUE, lane: {} }]);
    const unknown = Array.from({ length: 2_500 }, (_none, i) =>
      newRun({ id: runId(`other-${i}`), fingerprint: OTHER_FINGERPRINT, root: { lane: `lane-${i}` } }),
    );
    await store.createRuns([...unknown, newRun({ root: { lane: "mine" } })]);
    const lease = await scene.worker();
    const due = { queues: [QUEUE], fingerprints: [FINGERPRINT] };
    for (let tries = 0; tries < 2; tries++) {
      expect(await scene.claim(lease)).toEqual([]);
      expect(await store.nextDue(due)).toBeLessThanOrEqual(START_MS + 100);
    }
    expect(await scene.claimedKeys(lease)).toEqual([`${RUN}/0`]);
    const others = await scene.claimedKeys(lease, { fingerprints: [OTHER_FINGERPRINT], limit: 3_000 });
    expect(new Set(others).size).toBe(2_500);
  });

  it("are moved in steps when rules come and go, without losing or doubling a row", async () => {
    const { scene, store } = await open();
    const count = 1_500;
    const runs = Array.from({ length: count }, (_, i) =>
      newRun({ id: runId(`run-${i}`), root: { lane: `lane-${i % 7}`, readyAt: START_MS + (i % 2 === 0 ? 0 : 50) } }),
    );
    await store.createRuns(runs);
    const lease = await scene.worker();
    const taken: string[] = [];
    const put = store.putQueueRules([{ queue: QUEUE, lane: {} }]);
    taken.push(...(await scene.claimedKeys(lease, { limit: 100 })));
    await put;
    scene.clock.advance(50);
    taken.push(...(await scene.claimedKeys(lease, { limit: 400 })));
    const free = store.putQueueRules([{ queue: QUEUE }]);
    taken.push(...(await scene.claimedKeys(lease, { limit: 300 })));
    await free;
    taken.push(...(await scene.claimedKeys(lease, { limit: 2_000 })));
    expect([taken.length, new Set(taken).size]).toEqual([count, count]);
  });
});
