import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { amountOf, NOTHING_SPENT, type Spending } from "../../src/domain/quota.ts";
import { mongodbStore } from "../../src/mongodb.ts";
import type { NewItem } from "../../src/ports/items.ts";
import type { Hold } from "../../src/ports/ledger.ts";
import type { Store } from "../../src/ports/store.ts";
import { ManualClock } from "../../src/testing/conformance/clock.ts";
import { START_MS } from "../../src/testing/conformance/records.ts";
import { MongoDouble } from "../mongo-double/server.ts";
import { type Document, sizeOf } from "../mongo-double/wire.ts";

let double: MongoDouble;
let count = 0;

beforeAll(async () => {
  double = await MongoDouble.start();
});
afterEach(() => {
  double.intercept = () => "pass";
});
afterAll(async () => double[Symbol.asyncDispose]());

interface Opened extends AsyncDisposable {
  readonly store: Store;
  readonly other: Store;
  readonly clock: ManualClock;
  readonly database: string;
}

/** A store as two processes have it. */
async function open(): Promise<Opened> {
  const clock = new ManualClock(START_MS);
  const database = `items-${count++}`;
  const [store, other] = await Promise.all([
    mongodbStore({ url: double.url, database, clock }),
    mongodbStore({ url: double.url, database, clock }),
  ]);
  const close = async (): Promise<void> => {
    await store.close();
    await other.close();
  };
  return { store, other, clock, database, [Symbol.asyncDispose]: close };
}

const documentsOf = (database: string, collection: string): readonly Document[] =>
  double.database(database).collection(collection).find({});

/** Commands that an action sends. */
async function commandsOf(action: () => Promise<unknown>): Promise<readonly string[]> {
  const before = double.asked.length;
  await action();
  return double.asked.slice(before);
}

/** What happens to the next command of this name. */
function once(name: string, fate: "drop-before" | "drop-after"): void {
  double.intercept = (asked) => {
    if (asked.name !== name) return "pass";
    double.intercept = () => "pass";
    return fate;
  };
}

/** Holds up the next command of this name on this collection. */
function standStill(name: string, collection: string): { readonly reached: Promise<void>; readonly goOn: () => void } {
  let goOn = (): void => undefined;
  const gate = new Promise<void>((resolve) => (goOn = resolve));
  let arrive = (): void => undefined;
  const reached = new Promise<void>((resolve) => (arrive = resolve));
  double.intercept = (asked) => {
    if (asked.name !== name || asked.command[name] !== collection) return "pass";
    double.intercept = () => "pass";
    arrive();
    return { delay: gate };
  };
  return { reached, goOn };
}

/** Asks again where the answer did not come. */
async function insistently(ask: () => Promise<unknown>): Promise<void> {
  try {
    await ask();
  } catch (error) {
    expect(error).toMatchObject({ code: "STORE_UNAVAILABLE" });
    await ask();
  }
}

const item = (given: Partial<NewItem> = {}): NewItem => ({ collection: "notes", key: "a", value: 1, ...given });
const requests = (number: number): Spending => ({ ...NOTHING_SPENT, requests: number });
const holdOf = (id: string, given: Partial<Hold> = {}): Hold => ({
  id,
  account: "day",
  amount: requests(1),
  limits: { requests: 1_000 },
  ...given,
});
const settlementOf = (id: string): { id: string; account: string; spent: Spending } => ({
  id,
  account: "day",
  spent: requests(1),
});

describe("items in a mongodb database (double)", () => {
  test("are put with two commands, and read, listed and removed with one, however many", async () => {
    await using opened = await open();
    const { store } = opened;
    const items = Array.from({ length: 500 }, (_, i) => item({ key: `key-${i}` }));
    expect(await commandsOf(async () => store.putItems(items))).toEqual(["find", "update"]);
    expect(await commandsOf(async () => store.putItems([item({ key: "key-1" })]))).toEqual(["find", "update"]);
    expect(await commandsOf(async () => store.getItems(items.slice(0, 100)))).toEqual(["find"]);
    expect(await commandsOf(async () => store.listItems({ collection: "notes", limit: 100 }))).toEqual(["find"]);
    expect(await commandsOf(async () => store.removeItems(items))).toEqual(["delete"]);
    expect(await commandsOf(async () => store.putItems([]))).toEqual([]);
  });

  for (const fate of ["drop-before", "drop-after"] as const) {
    test(`are put once when the connection breaks (${fate})`, async () => {
      await using opened = await open();
      const { store } = opened;
      await store.putItems([item()]);
      once("update", fate);
      const outcomes = await store.putItems([item({ ifVersion: 1 }), item({ key: "b", ifVersion: 0 })]);
      expect(outcomes).toEqual([
        { status: "stored", version: 2 },
        { status: "stored", version: 1 },
      ]);
    });
  }

  test("tell each writer of a batch what became of its own puts, whoever else writes", async () => {
    await using opened = await open();
    const { store, other } = opened;
    await store.putItems([item(), item({ key: "b" })]);
    const slow = standStill("update", "items");
    const putting = store.putItems(["a", "b", "c", "d"].map((key) => item({ key, value: "slow", ifVersion: 1 })));
    await slow.reached;
    expect(await other.putItems([item({ value: "quick", ifVersion: 1 })])).toEqual([{ status: "stored", version: 2 }]);
    expect(await other.putItems([item({ key: "c" })])).toEqual([{ status: "stored", version: 1 }]);
    slow.goOn();
    expect((await putting).map(({ status }) => status)).toEqual(["conflict", "stored", "conflict", "conflict"]);
    const found = await other.listItems({ collection: "notes", limit: 10 });
    expect(found.map(({ key, value, version }) => [key, value, version])).toEqual([
      ["a", "quick", 2],
      ["b", "slow", 2],
      ["c", 1, 1],
    ]);
  });

  test("are inserted anew when they were removed before the write", async () => {
    await using opened = await open();
    const { store, other } = opened;
    await store.putItems([item()]);
    await store.putItems([item()]);
    const slow = standStill("update", "items");
    const putting = store.putItems([item({ value: "again" })]);
    await slow.reached;
    await other.removeItems([item()]);
    slow.goOn();
    expect(await putting).toEqual([{ status: "stored", version: 1 }]);
  });

  test("over an expired one are put once, though both have version 1", async () => {
    await using opened = await open();
    const { store, other, clock } = opened;
    await store.putItems([item({ expiresAt: START_MS + 1 })]);
    clock.advance(1);
    const slow = standStill("update", "items");
    const putting = store.putItems([item({ value: "slow", ifVersion: 0 })]);
    await slow.reached;
    expect(await other.putItems([item({ value: "quick", ifVersion: 0 })])).toEqual([{ status: "stored", version: 1 }]);
    slow.goOn();
    expect(await putting).toEqual([{ status: "conflict" }]);
  });

  test("that do not fit into a document are rejected, and their neighbours kept", async () => {
    await using opened = await open();
    const outcomes = await opened.store.putItems([item(), item({ key: "b", value: "é".repeat(8_000_000) })]);
    expect(outcomes).toMatchObject([{ status: "stored" }, { status: "rejected", error: { code: "VALUE_TOO_LARGE" } }]);
  });

  test("that have expired go with the first put that ends, with the thousandth after it, and with prune", async () => {
    await using opened = await open();
    const { store, other, clock, database } = opened;
    const ending = (key: string): NewItem => item({ key, expiresAt: clock.now() + 1 });
    const left = (): number => documentsOf(database, "items").length;
    await store.putItems([ending("old")]);
    clock.advance(1);
    await other.putItems([item({ key: "stays" })]);
    expect(left()).toBe(2);
    await other.putItems([ending("first")]);
    expect(left()).toBe(2);
    clock.advance(1);
    for (let i = 1; i < 10; i++) await other.putItems(Array.from({ length: 100 }, (_, n) => ending(`${i}-${n}`)));
    clock.advance(1);
    await other.putItems(Array.from({ length: 100 }, (_, n) => ending(`10-${n}`)));
    expect(left()).toBe(1_002);
    await other.putItems([ending("last")]);
    expect(left()).toBe(102);
    clock.advance(1);
    await store.prune({ endedBefore: START_MS });
    expect(left()).toBe(1);
  });
});

describe("accounts in a mongodb database (double)", () => {
  test("are changed with two commands, by all who ask while one change is under way", async () => {
    await using opened = await open();
    const { store } = opened;
    expect(await commandsOf(async () => store.hold([holdOf("first")]))).toEqual(["find", "update"]);
    const many = Array.from({ length: 64 }, (_, i) => `hold-${i}`);
    const slow = standStill("update", "quota_accounts");
    const first = store.settleHolds([settlementOf("first")]);
    await slow.reached;
    const asked = await commandsOf(async () => {
      const holding = Promise.all(many.map(async (id) => store.hold([holdOf(id)])));
      slow.goOn();
      await holding;
    });
    expect([await first, asked]).toEqual([1, ["find", "update"]]);
    expect(await store.balances()).toMatchObject([{ held: requests(64), spent: requests(1) }]);
  });

  for (const fate of ["drop-before", "drop-after"] as const) {
    test(`take a hold once, and settle it once, when the connection breaks (${fate})`, async () => {
      await using opened = await open();
      const { store } = opened;
      once("update", fate);
      expect(await store.hold([holdOf("one"), holdOf("two", { account: "key" })])).toEqual([
        { status: "held" },
        { status: "held" },
      ]);
      once("update", fate);
      expect(await store.settleHolds([settlementOf("one"), { ...settlementOf("two"), account: "key" }])).toBe(2);
      expect(await store.balances()).toMatchObject([
        { account: "day", held: NOTHING_SPENT, spent: requests(1) },
        { account: "key", held: NOTHING_SPENT, spent: requests(1) },
      ]);
    });
  }

  for (const fate of ["drop-before", "drop-after"] as const) {
    test(`are right wherever the connection breaks, when whoever heard nothing asks again (${fate})`, async () => {
      await using opened = await open();
      const { store } = opened;
      const perform = async (account: string, cut: number): Promise<number> => {
        let commands = 0;
        double.intercept = () => (commands++ === cut ? fate : "pass");
        const ids = Array.from({ length: 111 }, (_, i) => `hold-${i}`);
        for (const some of [ids.slice(0, 110), ids.slice(110)]) {
          await insistently(async () => store.hold(some.map((id) => holdOf(id, { account }))));
          await insistently(async () => store.settleHolds(some.map((id) => ({ ...settlementOf(id), account }))));
        }
        await insistently(async () => store.hold(ids.map((id) => holdOf(id, { account }))));
        double.intercept = () => "pass";
        return commands;
      };
      const commands = await perform("account", -1);
      expect(commands).toBeGreaterThan(9);
      for (let cut = 0; cut < commands; cut++) await perform(`account-${cut}`, cut);
      const balances = await store.balances("account-");
      expect(balances.map(({ spent, held }) => [spent, held])).toEqual(
        Array.from({ length: commands }, () => [requests(111), NOTHING_SPENT]),
      );
    });
  }

  test("never hold more than there is, of two processes that ask at the same time", async () => {
    await using opened = await open();
    const { store, other } = opened;
    const holds = Array.from({ length: 64 }, async (_, i) => {
      const amount = requests(1 + (i % 3));
      const hold = holdOf(`hold-${i}`, { amount, limits: { requests: 50 } });
      const [outcome] = await (i % 2 === 0 ? store : other).hold([hold]);
      return outcome?.status === "held" ? amountOf(amount, "requests") : 0;
    });
    const taken = (await Promise.all(holds)).reduce((sum, amount) => sum + amount, 0);
    expect(taken).toBeLessThanOrEqual(50);
    expect(taken).toBeGreaterThan(47); // the largest that was denied is 3
    expect(await store.balances()).toMatchObject([{ held: requests(taken) }]);
  });

  test("settle a hold for one of two processes that ask at the same time", async () => {
    await using opened = await open();
    const { store, other } = opened;
    await store.hold([holdOf("one")]);
    const slow = standStill("update", "quota_accounts");
    const settling = store.settleHolds([settlementOf("one")]);
    await slow.reached;
    expect(await other.settleHolds([settlementOf("one")])).toBe(1);
    slow.goOn();
    expect(await settling).toBe(0);
    expect(await store.balances()).toMatchObject([{ spent: requests(1), held: NOTHING_SPENT }]);
  });

  /** So many settled holds, in batches: the account lets go of a hundred and more with the next change. */
  async function settleMany(store: Store, number: number): Promise<readonly string[]> {
    const ids = Array.from({ length: number }, (_, i) => `hold-${i}`);
    for (let from = 0; from < number; from += 50) {
      const some = ids.slice(from, from + 50);
      await store.hold(some.map((id) => holdOf(id)));
      await store.settleHolds(some.map(settlementOf));
    }
    return ids;
  }

  test("know a hold after hundreds of others were settled, and stay small", async () => {
    await using opened = await open();
    const { store, other, database } = opened;
    const ids = await settleMany(store, 400);
    expect(documentsOf(database, "quota_holds").length).toBeGreaterThanOrEqual(250);
    const [account] = documentsOf(database, "quota_accounts");
    expect(account === undefined ? 0 : sizeOf(account)).toBeLessThan(8_000);
    const before = await store.balances();
    const again = await other.hold(ids.map((id) => holdOf(id, { limits: { requests: 0 } })));
    expect(new Set(again.map(({ status }) => status))).toEqual(new Set(["held"]));
    expect(await other.settleHolds(ids.map(settlementOf))).toBe(0);
    expect(await store.balances()).toEqual(before);
    expect(await other.hold([holdOf("new", { limits: { requests: 0 } })])).toMatchObject([{ status: "denied" }]);
  });

  test("leave nothing behind when they are forgotten", async () => {
    await using opened = await open();
    const { store, clock, database } = opened;
    await settleMany(store, 300);
    await store.hold([holdOf("open", { account: "other" })]);
    clock.advance(1);
    expect(await store.pruneAccounts(clock.now())).toBe(2);
    for (const name of ["quota_accounts", "quota_holds"]) expect(documentsOf(database, name)).toEqual([]);
  });

  test("stay whole when a hold comes in before they are forgotten", async () => {
    await using opened = await open();
    const { store, other, clock, database } = opened;
    const ids = await settleMany(store, 250);
    const before = documentsOf(database, "quota_holds").length;
    clock.advance(1);
    const slow = standStill("delete", "quota_accounts");
    const pruning = store.pruneAccounts(clock.now());
    await slow.reached;
    await other.hold([holdOf("new")]);
    slow.goOn();
    expect(await pruning).toBe(0);
    expect(documentsOf(database, "quota_holds").length).toBe(before);
    const again = await store.hold(ids.map((id) => holdOf(id, { limits: { requests: 0 } })));
    expect(new Set(again.map(({ status }) => status))).toEqual(new Set(["held"]));
  });

  test("are forgotten whole by the next who tries, when the first died half way", async () => {
    await using opened = await open();
    const { store, other, clock, database } = opened;
    await settleMany(store, 300);
    clock.advance(1);
    double.intercept = ({ name, command }) =>
      name === "delete" && command["delete"] === "quota_holds"
        ? { refuse: { ok: 0, code: 2, codeName: "No", errmsg: "the server says no" } }
        : "pass";
    await expect(store.pruneAccounts(clock.now())).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    double.intercept = () => "pass";
    expect(documentsOf(database, "quota_accounts")).toEqual([]);
    await other.hold([holdOf("hold-1")]);
    expect(await other.pruneAccounts(clock.now())).toBe(0);
    expect(documentsOf(database, "quota_holds")).toEqual([]);
    expect(await other.balances()).toMatchObject([{ held: requests(1), spent: NOTHING_SPENT }]);
  });

  test("are forgotten by the hundred", async () => {
    await using opened = await open();
    const { store, clock, database } = opened;
    await store.hold(Array.from({ length: 250 }, (_, i) => holdOf("one", { account: `key-${i}` })));
    clock.advance(1);
    expect(await store.pruneAccounts(clock.now())).toBe(250);
    expect(documentsOf(database, "quota_accounts")).toEqual([]);
  });
});

test("a mongodb database of the first version is brought up to what items need (double)", async () => {
  const database = `items-${count++}`;
  await using older = await mongodbStore({ url: double.url, database, migrate: false });
  await older.migrate({ to: 1 });
  await using store = await mongodbStore({ url: double.url, database });
  expect(await store.migrate()).toMatchObject({ from: 2, to: 2 });
  const indexes = double.database(database).collection("items").indexes;
  expect(indexes.map(({ name }) => name)).toEqual(["_id_", "expiring"]);
});
