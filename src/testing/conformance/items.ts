import { encode, type Wire } from "../../domain/wire.ts";
import type { Item, ItemRef, ItemStore, NewItem, PutItemOutcome } from "../../ports/items.ts";
import { START_MS } from "./records.ts";
import { rejection } from "./scene.ts";
import type { AspectSuite } from "./suite.ts";

const COLLECTION = "notes";

export const newItem = (given: Partial<NewItem> = {}): NewItem => ({
  collection: COLLECTION,
  key: "key-1",
  value: { deep: [1, null, { text: "a\0b" }] },
  ...given,
});

const ref = (key = "key-1", collection: string = COLLECTION): ItemRef => ({
  collection,
  key,
});

const stored = (version: number): PutItemOutcome => ({ status: "stored", version });
const CONFLICT: PutItemOutcome = { status: "conflict" };

/** Keys in code point order, which is not the order of JavaScript: that has U+E000 and U+FFFF at the end. */
const ODD_KEYS: readonly string[] = [
  "\0",
  "\0\0",
  "\u0001",
  "\u0001\u0001",
  "\u0001\u0002",
  "\u0002",
  "\t",
  " ",
  " a",
  `"'\\;--`,
  "$1",
  "%",
  "*",
  ".",
  "0",
  "10",
  "9",
  "?1",
  "A",
  "B",
  "[a]",
  "_",
  "__proto__",
  "a",
  "a\0",
  "a\0b",
  "a\u0001",
  "a b",
  "a:b",
  "aB",
  "ab",
  "a\u{10ffff}",
  "b",
  "b\u{10ffff}\u{10ffff}",
  "constructor",
  "{a}",
  "~",
  "é",
  "ключ",
  "漢",
  "\ud7ff",
  "\ud7ffa",
  "\ud800",
  "\ud800a",
  "\udfff",
  "\ue000",
  "\uffff",
  "🙂",
  "\u{10ffff}",
  "\u{10ffff}\u{10ffff}",
];

const LONGEST = "é".repeat(512);

const VALUES: readonly (readonly [what: string, value: Wire])[] = [
  ["null", null],
  ["an empty text", ""],
  ["text with NUL and lone surrogates", ["a\0b", "\ud800", "\u0001x"]],
  ["odd names", { "": 1, "a.b": 2, $: 3, "\0": 4, "0": 5, ключ: 6 }],
  ["the name of a prototype", JSON.parse('{"__proto__":{"a":1},"constructor":null}') as Wire],
  ["large and small numbers", [Number.MAX_SAFE_INTEGER, Number.MAX_VALUE, 5e-324, 0.1]],
  [
    "every tag",
    encode([
      new Date(0),
      12n,
      new Uint8Array([0, 255]),
      new Map([[1, new Set([2])]]),
      undefined,
      Number.NaN,
      Number.NEGATIVE_INFINITY,
      -0,
      { $date: "a user's own" },
    ]),
  ],
  ["a reference to a blob", { $blob: "0".repeat(64) }],
  ["a list of 20,000 items", Array.from({ length: 20_000 }, (_, i) => i)],
  ["a text of a megabyte", "é".repeat(1_000_000)],
];

const keysOf = (items: readonly Item[]): readonly string[] => items.map(({ key }) => key);

async function putKeys(items: ItemStore, keys: readonly string[], collection: string = COLLECTION): Promise<void> {
  await items.putItems(keys.map((key) => newItem({ collection, key, value: key })));
}

export const items: AspectSuite = {
  aspect: "items",
  title: "keeps items",
  define({ it, expect }) {
    it("knows none at first", async ({ store }) => {
      expect(await store.getItems([ref(), ref("other")])).toEqual([undefined, undefined]);
      expect(await store.listItems({ collection: COLLECTION, limit: 10 })).toEqual([]);
      expect(await store.removeItems([ref()])).toBe(0);
    });

    it("shows an item as it was put", async ({ store, clock }) => {
      clock.advance(7);
      expect(await store.putItems([newItem({ expiresAt: START_MS + 500 })])).toEqual([stored(1)]);
      const expected = { ...newItem(), version: 1, updatedAt: START_MS + 7, expiresAt: START_MS + 500 };
      expect(await store.getItems([ref()])).toEqual([expected]);
      expect(await store.listItems({ collection: COLLECTION, limit: 10 })).toEqual([expected]);
    });

    it("counts versions, and replaces an item whole", async ({ store, clock }) => {
      await store.putItems([newItem({ expiresAt: START_MS + 500 })]);
      clock.advance(1);
      expect(await store.putItems([newItem({ value: [2] })])).toEqual([stored(2)]);
      expect(await store.putItems([newItem({ value: [2] })])).toEqual([stored(3)]);
      const [item] = await store.getItems([ref()]);
      expect(item).toEqual({ ...newItem({ value: [2] }), version: 3, updatedAt: START_MS + 1 });
      expect(item !== undefined && "expiresAt" in item).toBe(false);
    });

    it("answers in the order asked, as often as asked", async ({ store }) => {
      await putKeys(store, ["a", "b"]);
      const found = await store.getItems([ref("b"), ref("none"), ref("a"), ref("b")]);
      expect(found.map((item) => item?.key)).toEqual(["b", undefined, "a", "b"]);
      expect(await store.getItems([])).toEqual([]);
    });

    it("tells collections apart", async ({ store }) => {
      await store.putItems([newItem({ value: 1 }), newItem({ collection: "other", value: 2 })]);
      const found = await store.getItems([ref(), ref("key-1", "other"), ref("key-1", "none")]);
      expect(found.map((item) => item?.value)).toEqual([1, 2, undefined]);
      expect(await store.removeItems([ref()])).toBe(1);
      expect(await store.listItems({ collection: "other", limit: 10 })).toMatchObject([{ value: 2 }]);
      expect(await store.listItems({ collection: COLLECTION, limit: 10 })).toEqual([]);
    });

    it("takes a batch as if its items came one after another", async ({ store }) => {
      const batch = [{}, { ifVersion: 1 }, { ifVersion: 1 }, { ifVersion: 2, value: "last" }].map(newItem);
      expect(await store.putItems(batch)).toEqual([stored(1), stored(2), CONFLICT, stored(3)]);
      expect(await store.getItems([ref()])).toMatchObject([{ value: "last", version: 3 }]);
      expect(await store.putItems([])).toEqual([]);
    });

    it("takes a thousand in one call", async ({ store }) => {
      const keys = Array.from({ length: 1_000 }, (_, i) => `key-${i}`);
      const outcomes = await store.putItems(keys.map((key) => newItem({ key, value: key })));
      expect(outcomes.filter(({ status }) => status === "stored").length).toBe(1_000);
      const found = await store.getItems(keys.map((key) => ref(key)));
      expect(found.map((item) => item?.value)).toEqual(keys);
      expect(await store.removeItems(keys.map((key) => ref(key)))).toBe(1_000);
    });

    it("removes items, counts those that were there, and begins anew", async ({ store }) => {
      await putKeys(store, ["a", "b", "c"]);
      expect(await store.removeItems([ref("a"), ref("none"), ref("c"), ref("a")])).toBe(2);
      expect(keysOf(await store.listItems({ collection: COLLECTION, limit: 10 }))).toEqual(["b"]);
      expect(await store.removeItems([])).toBe(0);
      expect(await store.putItems([newItem({ key: "a" })])).toEqual([stored(1)]);
    });

    const conditions: readonly (readonly [
      what: string,
      before: number,
      ifVersion: number,
      outcome: PutItemOutcome,
      left: Wire | undefined,
    ])[] = [
      ["inserts where there is none", 0, 0, stored(1), "new"],
      ["does not insert where there is one", 1, 0, CONFLICT, "old"],
      ["replaces the version that was seen", 2, 2, stored(3), "new"],
      ["does not replace a newer version", 2, 1, CONFLICT, "old"],
      ["does not replace a version that is still to come", 1, 2, CONFLICT, "old"],
      ["does not replace what is not there", 0, 1, CONFLICT, undefined],
    ];
    for (const [what, before, ifVersion, outcome, left] of conditions) {
      it(what, async ({ store }) => {
        for (let i = 0; i < before; i++) await store.putItems([newItem({ value: "old" })]);
        expect(await store.putItems([newItem({ ifVersion, value: "new" })])).toEqual([outcome]);
        const [item] = await store.getItems([ref()]);
        expect(item?.value).toBe(left);
      });
    }

    for (const ifVersion of [0, 1]) {
      it(`lets one of many win that put over version ${ifVersion} at the same time`, async ({ store }) => {
        if (ifVersion === 1) await store.putItems([newItem()]);
        const puts = Array.from({ length: 16 }, async (_, value) => store.putItems([newItem({ ifVersion, value })]));
        const outcomes = (await Promise.all(puts)).flat();
        expect(outcomes.filter(({ status }) => status === "stored")).toEqual([stored(ifVersion + 1)]);
        const value = outcomes.findIndex(({ status }) => status === "stored");
        expect(await store.getItems([ref()])).toMatchObject([{ value, version: ifVersion + 1 }]);
      });
    }

    it("loses no version of many that are put at the same time", async ({ store }) => {
      const puts = Array.from({ length: 16 }, async (_, value) => store.putItems([newItem({ value })]));
      const outcomes = (await Promise.all(puts)).flat();
      const versions = outcomes.map((outcome) => (outcome.status === "stored" ? outcome.version : 0));
      expect(versions.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, i) => i + 1));
      expect(await store.getItems([ref()])).toMatchObject([{ version: 16, value: versions.indexOf(16) }]);
    });

    it("takes batches of the same keys at the same time, in whatever order they name them", async ({ store }) => {
      const keys = Array.from({ length: 20 }, (_, i) => `key-${i}`);
      const batches = Array.from({ length: 8 }, async (_, i) =>
        store.putItems((i % 2 === 0 ? keys : keys.toReversed()).map((key) => newItem({ key, value: i }))),
      );
      expect((await Promise.all(batches)).flat().filter(({ status }) => status === "stored").length).toBe(160);
      const found = await store.listItems({ collection: COLLECTION, limit: 100 });
      expect(found.map(({ version }) => version)).toEqual(keys.map(() => 8));
    });
  },
};

export const itemTexts: AspectSuite = {
  aspect: "items",
  title: "returns items as it was given them",
  define({ it, expect }) {
    for (const [what, value] of VALUES) {
      it(`keeps ${what} in an item`, async ({ store }) => {
        expect(await store.putItems([newItem({ value })])).toEqual([stored(1)]);
        const [got] = await store.getItems([ref()]);
        const [listed] = await store.listItems({ collection: COLLECTION, limit: 1 });
        expect([got, listed].map((item) => JSON.stringify(item?.value) === JSON.stringify(value))).toEqual([
          true,
          true,
        ]);
      });
    }

    it("keeps keys of every character apart, and in code point order", async ({ store }) => {
      await putKeys(store, ODD_KEYS.toReversed());
      const found = await store.getItems(ODD_KEYS.map((key) => ref(key)));
      expect(found.map((item) => [item?.key, item?.value])).toEqual(ODD_KEYS.map((key) => [key, key]));
      expect(keysOf(await store.listItems({ collection: COLLECTION, limit: 1_000 }))).toEqual(ODD_KEYS);
      for (const key of ODD_KEYS) expect(await store.removeItems([ref(key)])).toBe(1);
      expect(await store.listItems({ collection: COLLECTION, limit: 10 })).toEqual([]);
    });

    it("goes on after any key", async ({ store }) => {
      await putKeys(store, ODD_KEYS);
      const seen: string[] = [];
      for (;;) {
        const after = seen.at(-1);
        const query = { collection: COLLECTION, limit: 1, ...(after !== undefined && { after }) };
        const page = await store.listItems(query);
        if (page.length === 0) break;
        seen.push(...keysOf(page));
      }
      expect(seen).toEqual(ODD_KEYS);
    });

    it("finds what begins with any text", async ({ store }) => {
      await putKeys(store, ODD_KEYS);
      for (const prefix of ODD_KEYS) {
        const found = await store.listItems({ collection: COLLECTION, prefix, limit: 1_000 });
        expect(keysOf(found)).toEqual(ODD_KEYS.filter((key) => key.startsWith(prefix)));
      }
    });

    it("takes no character for the beginning of another", async ({ store }) => {
      await putKeys(store, ["\ud83d", "\ud83dz", "🙂"]);
      const found = await store.listItems({ collection: COLLECTION, prefix: "\ud83d", limit: 10 });
      expect(keysOf(found)).toEqual(["\ud83d", "\ud83dz"]);
    });

    it("keeps a key of full length", async ({ store }) => {
      await putKeys(store, [LONGEST, LONGEST.slice(1)]);
      expect(await store.getItems([ref(LONGEST)])).toMatchObject([{ key: LONGEST, value: LONGEST }]);
    });

    for (const [what, bad] of [
      ["an empty key", { key: "" }],
      ["a key that is too long", { key: `${LONGEST}x` }],
      ["an end that is not a number", { expiresAt: Number.NaN }],
    ] as const) {
      it(`rejects an item with ${what}, and keeps its neighbours`, async ({ store }) => {
        const batch = [newItem({ key: "a" }), newItem(bad), newItem({ key: "b" })];
        const outcomes = await store.putItems(batch);
        expect(outcomes).toMatchObject([
          stored(1),
          { status: "rejected", error: { code: "OPTION_INVALID" } },
          stored(1),
        ]);
        expect(keysOf(await store.listItems({ collection: COLLECTION, limit: 10 }))).toEqual(["a", "b"]);
        expect(await store.getItems([ref(batch[1]?.key)])).toEqual([undefined]);
        expect(await store.removeItems([ref(batch[1]?.key)])).toBe(0);
      });
    }
  },
};

export const itemLists: AspectSuite = {
  aspect: "items",
  title: "lists items",
  define({ it, expect }) {
    it("lists by key, page by page, a thousand at a time", async ({ store }) => {
      const keys = Array.from({ length: 2_100 }, (_, i) => `key-${String(i).padStart(4, "0")}`);
      for (let from = 0; from < keys.length; from += 700) await putKeys(store, keys.slice(from, from + 700));
      const pages: (readonly string[])[] = [];
      for (const after of [undefined, keys[999], keys[1_999]]) {
        const query = { collection: COLLECTION, limit: 1_000, ...(after !== undefined && { after }) };
        pages.push(keysOf(await store.listItems(query)));
      }
      expect(pages.map(({ length }) => length)).toEqual([1_000, 1_000, 100]);
      expect(pages.flat()).toEqual(keys);
    });

    const KEYS = ["a", "a/1", "a/2", "a/3", "a0", "b/1"];
    const queries: readonly (readonly [
      what: string,
      query: { readonly prefix?: string; readonly after?: string; readonly limit?: number },
      found: readonly string[],
    ])[] = [
      ["of a prefix", { prefix: "a/" }, ["a/1", "a/2", "a/3"]],
      ["of a prefix, after a key", { prefix: "a/", after: "a/1" }, ["a/2", "a/3"]],
      ["of a prefix, after a key before it", { prefix: "a/", after: "a" }, ["a/1", "a/2", "a/3"]],
      ["of a prefix, after a key behind it", { prefix: "a/", after: "b" }, []],
      ["after a key that is not there", { after: "a/25" }, ["a/3", "a0", "b/1"]],
      ["up to a limit", { prefix: "a/", limit: 2 }, ["a/1", "a/2"]],
      ["of an empty prefix", { prefix: "" }, KEYS],
      ["of a prefix that is none", { prefix: "a/%" }, []],
    ];
    for (const [what, query, found] of queries) {
      it(`lists items ${what}`, async ({ store }) => {
        await putKeys(store, KEYS);
        await putKeys(store, KEYS, "other");
        expect(keysOf(await store.listItems({ collection: COLLECTION, limit: 1_000, ...query }))).toEqual(found);
      });
    }

    for (const limit of [0, 1_001, 1.5, Number.NaN]) {
      it(`refuses a limit of ${limit}`, async ({ store }) => {
        const listing = store.listItems({ collection: COLLECTION, limit });
        expect((await rejection(listing)).code).toBe("OPTION_INVALID");
      });
    }
  },
};
