import { describe, expect, it } from "vitest";
import { runId } from "../../src/domain/ids.ts";
import type { ShardStore } from "../../src/ports/shard.ts";
import type { CommitOutcome, Transition } from "../../src/ports/store.ts";
import { shardedStore } from "../../src/sharded.ts";
import { memoryStore } from "../../src/stores/memory/store.ts";
import { shardOf } from "../../src/stores/sharded/place.ts";
import { anonymousMessage, newRun, START_MS } from "../../src/testing/conformance/records.ts";
import { rejection } from "../../src/testing/conformance/scene.ts";
import { transition } from "../../src/testing/conformance/transitions.ts";
import { hold, idOn, link, register, start } from "./sharded-cases.ts";

/** Closing what is opened over it leaves the shard open. */
const kept = (shard: ShardStore): ShardStore => link(shard).shard;

describe("the place of a run", () => {
  it("is what it was in the first release, for ever", () => {
    const ids = ["a", "run-1", "01jd0000000000000000000000", "order:4711", "x".repeat(128)];
    expect(ids.map((id) => [2, 3, 16].map((shards) => shardOf(runId(id), shards)))).toEqual([
      [1, 0, 3],
      [1, 2, 3],
      [1, 0, 7],
      [1, 1, 15],
      [0, 2, 12],
    ]);
  });

  it("spreads ids evenly that differ at their end only, or at their beginning", () => {
    for (const idOf of [(i: number) => `order-${i}`, (i: number) => `${i}-order`, (i: number) => `01jd00000000${i}`]) {
      for (const shards of [2, 3, 8]) {
        const counts = Array.from({ length: shards }, () => 0);
        for (let i = 0; i < 8_000; i++) {
          const shard = shardOf(runId(idOf(i)), shards);
          counts[shard] = (counts[shard] ?? 0) + 1;
        }
        for (const count of counts) expect(Math.abs(count - 8_000 / shards)).toBeLessThan(0.1 * (8_000 / shards));
      }
    }
  });
});

describe("opening a sharded store", () => {
  it("finds the same runs again", async () => {
    const shards = [memoryStore(), memoryStore()];
    const ids = [0, 1].flatMap((shard) => [idOn(shard, 2), idOn(shard, 2, 1)]);
    const first = await shardedStore({ shards: shards.map(kept) });
    await start(first, ...ids);
    await first.close();
    await using again = await shardedStore({ shards: shards.map(async (shard) => kept(shard)) });
    for (const id of ids) expect(await again.load(id)).toMatchObject({ id });
  });

  const changes: readonly (readonly [what: string, of: (a: ShardStore, b: ShardStore) => readonly ShardStore[]])[] = [
    ["another order", (a, b) => [b, a]],
    ["one more", (a, b) => [a, b, memoryStore()]],
    ["one less", (a) => [a]],
    ["one twice", (a) => [a, a]],
  ];
  for (const [what, change] of changes) {
    it(`refuses ${what} than the first time`, async () => {
      const [a, b] = [memoryStore(), memoryStore()];
      await (await shardedStore({ shards: [kept(a), kept(b)] })).close();
      expect((await rejection(shardedStore({ shards: change(a, b) }))).code).toBe("SHARDS_CHANGED");
    });
  }

  it("refuses shards that belong to different families", async () => {
    const [a, b, c, d] = [memoryStore(), memoryStore(), memoryStore(), memoryStore()];
    for (const shards of [
      [a, b],
      [c, d],
    ])
      await (await shardedStore({ shards: shards.map(kept) })).close();
    expect((await rejection(shardedStore({ shards: [a, d] }))).code).toBe("SHARDS_CHANGED");
  });

  it("needs a shard", async () => {
    expect((await rejection(shardedStore({ shards: [] }))).code).toBe("OPTION_INVALID");
  });

  it("refuses a store that cannot be a shard, and closes those that can", async () => {
    const good = memoryStore();
    const bad = { ...memoryStore(), capabilities: memoryStore().capabilities } as unknown as ShardStore;
    bad.close = async () => undefined;
    const refused = await rejection(shardedStore({ shards: [good, bad] }));
    expect(refused).toMatchObject({ code: "OPTION_INVALID", message: expect.stringContaining("shards[1]") });
    expect((await rejection(good.load(runId("a")))).code).toBe("STORE_CLOSED");
  });

  it("closes the shards that opened when another one does not", async () => {
    const good = memoryStore();
    const reason = new Error("no such host");
    expect(await rejection(shardedStore({ shards: [good, Promise.reject(reason)] }))).toBe(reason);
    expect((await rejection(good.load(runId("a")))).code).toBe("STORE_CLOSED");
  });

  it("works over one shard", async () => {
    await using store = await shardedStore({ shards: [memoryStore()] });
    await start(store, runId("a"), runId("b"));
    expect((await store.list({ order: "oldest" })).items.map(({ id }) => id)).toEqual(["a", "b"]);
  });

  it("says what all of its shards can do", async () => {
    const [memory, lasting] = [memoryStore(), memoryStore()];
    Object.assign(lasting, {
      capabilities: {
        ...lasting.capabilities,
        durable: true,
        shared: true,
        gather: "turn",
        inFlight: 2,
        hints: "none",
      },
    });
    await using store = await shardedStore({ shards: [memory, lasting], name: "pair" });
    expect(store.capabilities).toEqual({
      name: "pair",
      durable: false,
      shared: false,
      gather: "turn",
      inFlight: 2,
      eventsInOrder: true,
      hints: "none",
      transactions: false,
      queueRules: false,
    });
    expect(store).toMatchObject({ transact: undefined, guard: undefined });
  });
});

describe("a transaction on one of several shards", () => {
  /** Memory that runs the work and commits what it answers: what counts here is the way through the router. */
  function transacting(): ShardStore {
    const shard = memoryStore();
    const transact: NonNullable<ShardStore["transact"]> = async (_run, work) => {
      const wanted: Transition | undefined = await work("tx");
      if (wanted === undefined) return undefined;
      const [outcome]: readonly CommitOutcome[] = await shard.commit([wanted]);
      return outcome;
    };
    return Object.assign(shard, { transact, capabilities: { ...shard.capabilities, transactions: true } });
  }

  it("is opened where the run is, and what it does to others is relayed", async () => {
    const shards = [transacting(), transacting()];
    await using store = await shardedStore({ shards });
    const held = await hold(store, await register(store), idOn(0, 2));
    const other = idOn(1, 2);
    await start(store, other);
    const send = [anonymousMessage({ run: other, sentAt: START_MS })];
    const seen: unknown[] = [];
    const outcome = await store.transact?.(held.run, async (tx) => {
      seen.push(tx);
      return transition(held, { send, startRuns: [newRun({ id: idOn(1, 2, 1) })] });
    });
    expect(outcome).toMatchObject({ status: "committed" });
    expect(seen).toEqual(["tx"]);
    expect(await store.messages(other)).toHaveLength(1);
    expect(await store.load(idOn(1, 2, 1))).toMatchObject({ status: "pending" });
    expect(await shards[0]?.outbox(10)).toEqual([]);
  });

  it("commits nothing that is lost, refused, not wanted, or of another run", async () => {
    await using store = await shardedStore({ shards: [transacting(), transacting()] });
    const lease = await register(store);
    const held = await hold(store, lease, idOn(0, 2));
    const other = await hold(store, lease, idOn(1, 2));
    const both = anonymousMessage({ run: other.run, once: "a" });
    const works: readonly (readonly [Transition | undefined, unknown])[] = [
      [transition({ ...held, seq: 4 }, { send: [anonymousMessage({ run: other.run })] }), { status: "lost" }],
      [transition(held, { send: [{ ...both, id: "a" }] }), { status: "rejected" }],
    ];
    for (const [wanted, expected] of works)
      expect(await store.transact?.(held.run, async () => wanted)).toMatchObject(expected as object);
    expect(await store.transact?.(held.run, async () => undefined)).toBe(undefined);
    const foreign = store.transact?.(held.run, async () => transition(other));
    expect((await rejection(foreign ?? Promise.resolve())).code).toBe("OPTION_INVALID");
    expect(await store.messages(other.run)).toEqual([]);
    expect((await store.fibers(held.run))[0]?.seq).toBe(0);
  });
});
