import { describe, expect, it } from "vitest";
import { shardOf } from "../../src/stores/sharded/place.ts";
import { newItem } from "../../src/testing/conformance/items.ts";
import { newHold, spending } from "../../src/testing/conformance/ledger.ts";
import { rejection } from "../../src/testing/conformance/scene.ts";
import { Cluster } from "./sharded-cases.ts";

const KEYS = Array.from({ length: 60 }, (_, i) => `key-${i}`);
const ACCOUNTS = Array.from({ length: 60 }, (_, i) => `account-${i}`);
const { collection } = newItem();
const LIST = { collection, limit: 1_000 };

const accountOn = (shard: number): string => ACCOUNTS.find((account) => shardOf(account, 2) === shard) ?? "";

describe("items of a sharded store", () => {
  it("live each on one shard, and on all of them about as many", async () => {
    await using cluster = new Cluster(3);
    const { store } = await cluster.router();
    await store.putItems(KEYS.map((key) => newItem({ key })));
    const counts = await Promise.all(cluster.shards.map(async (shard) => (await shard.listItems(LIST)).length));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(KEYS.length);
    expect(Math.min(...counts)).toBeGreaterThan(KEYS.length / 6);
  });

  it("are where another router looks for them", async () => {
    await using cluster = new Cluster(3);
    await (await cluster.router()).store.putItems(KEYS.map((key) => newItem({ key })));
    const { store } = await cluster.router();
    const found = await store.getItems(KEYS.map((key) => ({ collection, key })));
    expect(found.map((item) => item?.key)).toEqual(KEYS);
  });

  it("are written by one call to each shard", async () => {
    await using cluster = new Cluster(2);
    const { store, links } = await cluster.router();
    await store.putItems(KEYS.map((key) => newItem({ key })));
    await store.putItems([newItem()]);
    const calls = links.flatMap((link) => link.calls.filter((name) => name === "putItems"));
    expect(calls).toHaveLength(3);
  });

  it("are served by the shards that can be reached, and listed by all or not at all", async () => {
    await using cluster = new Cluster(2);
    const { store, links } = await cluster.router();
    await store.putItems(KEYS.map((key) => newItem({ key })));
    const here = await cluster.shards[0]?.listItems({ ...LIST, limit: 1 });
    const there = await cluster.shards[1]?.listItems({ ...LIST, limit: 1 });
    const [mine, away] = [here?.[0], there?.[0]];
    if (links[1] === undefined || mine === undefined || away === undefined) throw new Error("expected two shards");
    links[1].trouble = () => "before";
    expect(await store.getItems([mine])).toMatchObject([{ key: mine.key }]);
    const refused = [store.getItems([mine, away]), store.putItems([mine, away]), store.listItems(LIST)];
    for (const one of refused) expect((await rejection(one)).code).toBe("STORE_UNAVAILABLE");
  });

  it("are pruned on every shard", async () => {
    await using cluster = new Cluster(2);
    const { store, links } = await cluster.router();
    await store.prune({ endedBefore: 1 });
    expect(links.map(({ calls }) => calls.includes("prune"))).toEqual([true, true]);
  });
});

describe("accounts of a sharded store", () => {
  it("live each on one shard with all their holds", async () => {
    await using cluster = new Cluster(2);
    const { store } = await cluster.router();
    const account = accountOn(1);
    const holds = KEYS.map((id) =>
      newHold({ id, account, amount: spending({ requests: 1 }), limits: { requests: 50 } }),
    );
    const outcomes = await store.hold(holds);
    expect(outcomes.filter(({ status }) => status === "held")).toHaveLength(50);
    expect(await cluster.shards[0]?.balances()).toEqual([]);
    expect(await cluster.shards[1]?.balances()).toMatchObject([{ account, held: { requests: 50 } }]);
  });

  it("are not touched on any shard by a batch that names what none can hold", async () => {
    await using cluster = new Cluster(2);
    const { store } = await cluster.router();
    const batch = [
      newHold({ account: accountOn(0) }),
      newHold({ account: accountOn(1), amount: spending({ requests: -1 }) }),
    ];
    expect((await rejection(store.hold(batch))).code).toBe("OPTION_INVALID");
    expect(await store.balances()).toEqual([]);
  });

  it("may be held again when an answer was lost, and count once", async () => {
    await using cluster = new Cluster(2);
    const { store, links } = await cluster.router();
    const holds = [newHold({ account: accountOn(0) }), newHold({ account: accountOn(1) })];
    if (links[1] === undefined) throw new Error("expected two shards");
    links[1].trouble = () => "after";
    expect((await rejection(store.hold(holds))).code).toBe("STORE_UNAVAILABLE");
    links[1].trouble = () => undefined;
    expect(await store.hold(holds)).toEqual([{ status: "held" }, { status: "held" }]);
    expect((await store.balances()).map(({ held }) => held)).toEqual([newHold().amount, newHold().amount]);
  });
});
