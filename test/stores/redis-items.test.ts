import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { NOTHING_SPENT } from "../../src/domain/quota.ts";
import type { NewItem } from "../../src/ports/items.ts";
import type { Hold } from "../../src/ports/ledger.ts";
import { redisStore } from "../../src/redis.ts";
import type { RedisStore } from "../../src/stores/redis/store.ts";
import { ManualClock } from "../../src/testing/conformance/clock.ts";
import { START_MS } from "../../src/testing/conformance/records.ts";
import { type FreshPrefix, freshPrefix, sharedServer, titled, urlOf } from "../setup/servers.ts";

const redis = await sharedServer("redis");
const EVERYTHING = { collection: "notes", limit: 1_000 };
const SOON = START_MS + 100;

const item = (given: Partial<NewItem> = {}): NewItem => ({ collection: "notes", key: "a", value: 1, ...given });
const holdOf = (id: string): Hold => ({
  id,
  account: "day {1}",
  amount: { ...NOTHING_SPENT, requests: 1 },
  limits: { requests: 9 },
});

describe.skipIf(!redis.run)(titled("the keys of items and accounts in Redis", redis), () => {
  let client: Redis;
  let fresh: FreshPrefix;
  let stores = 0;
  beforeAll(async () => {
    client = new Redis(urlOf(redis));
    await client.ping(); // connected, so that no case is taken for the one that opened the socket
    fresh = freshPrefix(redis);
  });
  afterAll(async () => {
    await fresh[Symbol.asyncDispose]();
    client.disconnect();
  });

  interface Opened {
    readonly store: RedisStore;
    readonly clock: ManualClock;
    readonly prefix: string;
  }

  async function open(): Promise<Opened> {
    const clock = new ManualClock(START_MS);
    const prefix = `${fresh.prefix}-${stores++}`;
    const store = await redisStore({ client, prefix, clock, onWarning: () => undefined });
    return { store: store as RedisStore, clock, prefix: `{${prefix}:0}:` };
  }

  const keysOf = async (prefix: string): Promise<readonly string[]> => (await client.keys(`${prefix}*`)).toSorted();
  const sizes = async (prefix: string): Promise<readonly number[]> =>
    Promise.all([client.hlen(`${prefix}V:notes`), client.zcard(`${prefix}v:notes`), client.zcard(`${prefix}E`)]);

  it("begin with the one hash tag of their partition, whatever they are for", async () => {
    const { store, prefix } = await open();
    await store.putItems([item({ collection: "{other}:a", key: "{key}", expiresAt: SOON })]);
    await store.hold([holdOf("run-{1}/0/0")]);
    const names = ["A", "A:day {1}", "E", "H:day {1}", "T", "V:{other}:a", "meta", "v:{other}:a"];
    expect(await keysOf(prefix)).toEqual(names.map((name) => prefix + name));
  });

  it("are gone when their items and accounts are", async () => {
    const { store, prefix, clock } = await open();
    await store.putItems([item(), item({ key: "b", expiresAt: SOON }), item({ key: "c" })]);
    await store.hold([holdOf("one"), holdOf("two")]);
    await store.settleHolds([{ ...holdOf("one"), spent: NOTHING_SPENT }]);
    await store.removeItems([item(), item({ key: "c" })]);
    clock.advance(100);
    await store.prune({ endedBefore: START_MS });
    expect(await store.pruneAccounts(SOON)).toBe(1);
    expect(await keysOf(prefix)).toEqual([`${prefix}meta`]);
  });

  it("lose what has expired with the next puts, a few with each", async () => {
    const { store, prefix, clock } = await open();
    await store.putItems(Array.from({ length: 100 }, (_, i) => item({ key: `old-${i}`, expiresAt: SOON })));
    clock.advance(100);
    await store.putItems([item({ key: "new-1" })]);
    const [left = 0] = await sizes(prefix);
    expect([left > 1, left < 101]).toEqual([true, true]);
    for (let i = 0; i < 100; i++) await store.putItems([item({ key: "new-1" })]);
    expect(await sizes(prefix)).toEqual([1, 1, 0]);
  });

  it("lose an end that was taken off, and one that was removed", async () => {
    const { store, prefix } = await open();
    await store.putItems([item({ expiresAt: SOON }), item({ key: "b", expiresAt: SOON })]);
    await store.putItems([item()]);
    await store.removeItems([item({ key: "b" })]);
    expect(await sizes(prefix)).toEqual([1, 1, 0]);
  });

  for (const name of ["V:broken", "v:broken"]) {
    it(`reject one item when ${name} is of another type, write nothing of it, and keep its neighbours`, async () => {
      const { store, prefix } = await open();
      await client.set(prefix + name, "somebody else's");
      const outcomes = await store.putItems([
        item(),
        item({ collection: "broken", expiresAt: SOON }),
        item({ key: "b" }),
      ]);
      expect(outcomes).toMatchObject([
        { status: "stored" },
        { status: "rejected", error: { code: "VALUE_NOT_SERIALIZABLE" } },
        { status: "stored" },
      ]);
      const expected = ["V:notes", "meta", name, "v:notes"].map((one) => prefix + one);
      expect(await keysOf(prefix)).toEqual(expected.toSorted());
      expect(await client.get(prefix + name)).toBe("somebody else's");
    });
  }

  it("that say what has expired are needed by all: without them nothing is put", async () => {
    const { store, prefix } = await open();
    await client.set(`${prefix}E`, "somebody else's");
    await expect(store.putItems([item()])).rejects.toMatchObject({ code: "STORE_CORRUPT" });
    expect(await keysOf(prefix)).toEqual([`${prefix}E`, `${prefix}meta`]);
  });

  it("of one collection that are somebody else's hold up no other when items expire", async () => {
    const { store, prefix, clock } = await open();
    await store.putItems([item({ collection: "broken", expiresAt: SOON }), item({ expiresAt: SOON })]);
    await client.del(`${prefix}V:broken`);
    await client.set(`${prefix}V:broken`, "somebody else's");
    clock.advance(100);
    await store.prune({ endedBefore: START_MS });
    expect(await sizes(prefix)).toEqual([0, 0, 0]);
  });

  it("say which item cannot be decoded", async () => {
    const { store, prefix } = await open();
    await store.putItems([item()]);
    await client.hset(`${prefix}V:notes`, "a", "1\n2\n\n{broken");
    await expect(store.getItems([item()])).rejects.toMatchObject({
      code: "RECORD_UNDECODABLE",
      message: expect.stringContaining('the item "a" of notes'),
    });
  });

  it("show a page of large items whole, in several looks", async () => {
    const { store } = await open();
    const keys = Array.from({ length: 9 }, (_, i) => `key-${i}`);
    await store.putItems(keys.map((key) => item({ key, value: key.repeat(80_000) })));
    const found = await store.listItems(EVERYTHING);
    expect(found.map(({ key, value }) => value === key.repeat(80_000))).toEqual(keys.map(() => true));
  });

  it("pass a thousand expired items by to find one that is not", async () => {
    const { store, clock } = await open();
    const old = Array.from({ length: 1_000 }, (_, i) => item({ key: `a-${i}`, expiresAt: SOON }));
    await store.putItems([...old, item({ key: "b" })]);
    clock.advance(100);
    expect(await store.listItems({ ...EVERYTHING, limit: 1 })).toMatchObject([{ key: "b" }]);
  });

  it("list as many accounts as there are", async () => {
    const { store } = await open();
    const accounts = Array.from({ length: 450 }, (_, i) => `key:${String(i).padStart(3, "0")}`);
    await store.hold(accounts.map((account) => ({ ...holdOf("one"), account })));
    expect((await store.balances("key:")).map(({ account }) => account)).toEqual(accounts);
    expect(await store.pruneAccounts(SOON)).toBe(450);
    expect(await store.balances()).toEqual([]);
  });
});
