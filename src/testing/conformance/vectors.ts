import type { VectorItem, VectorMatch, VectorMetadata, VectorStore } from "../../ports/vector.ts";
import type { Expect, TestApi } from "./api.ts";

export interface VectorsUnderTest {
  readonly name: string;
  /** A new, empty store for vectors of this length. */
  readonly open: (dimensions: number) => Promise<VectorStore>;
  /** The same vectors again, once their store was closed. Without it they are taken to be gone. */
  readonly reopen?: (dimensions: number) => Promise<VectorStore>;
}

type Case = (store: VectorStore, expect: Expect) => Promise<void>;

const DIMENSIONS = 3;
const MANY = 10_000;

/** A vector at an angle to (1, 0, 0), in degrees: its cosine with that is known. */
const at = (degrees: number, length = 1): readonly number[] => {
  const radians = (degrees * Math.PI) / 180;
  return [Math.cos(radians) * length, Math.sin(radians) * length, 0];
};
const AHEAD = at(0);

const item = (id: string, degrees: number, metadata?: VectorMetadata): VectorItem => ({
  id,
  vector: at(degrees),
  text: `text of ${id}`,
  ...(metadata && { metadata }),
});

const idsOf = (matches: readonly VectorMatch[]): readonly string[] => matches.map(({ id }) => id);

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
    return "no error";
  } catch (error) {
    return error instanceof Error && "code" in error ? error.code : error;
  }
}

const ODD_TEXTS = ["a\0b", "\ud800", "\u0001x", `"'\\;--`, "漢🙂", "__proto__"];

const METADATA: VectorMetadata = {
  kind: "note",
  pages: 12,
  draft: false,
  tags: ["a", "b", { deep: [1, 2] }],
  of: { author: "x", year: null },
  "odd.key'\"": "ключ",
};

const FILTERS: readonly (readonly [filter: VectorMetadata, fits: boolean])[] = [
  [{}, true],
  [{ kind: "note" }, true],
  [{ kind: "Note" }, false],
  [{ pages: 12, draft: false }, true],
  [{ pages: "12" }, false],
  [{ tags: ["b"] }, true],
  [{ tags: ["b", "a", "a"] }, true],
  [{ tags: "a" }, false],
  [{ tags: ["c"] }, false],
  [{ tags: [{ deep: [2] }] }, true],
  [{ tags: [{ deep: 2 }] }, false],
  [{ tags: [] }, true],
  [{ of: { year: null } }, true],
  [{ of: { author: null } }, false],
  [{ of: {} }, true],
  [{ of: [] }, false],
  [{ missing: null }, false],
  [{ "odd.key'\"": "ключ" }, true],
];

const BROKEN: readonly (readonly [what: string, item: VectorItem])[] = [
  ["a shorter vector", { id: "x", vector: [1, 2] }],
  ["no numbers", { id: "x", vector: [] }],
  ["zeros", { id: "x", vector: [0, 0, 0] }],
  ["NaN", { id: "x", vector: [1, Number.NaN, 0] }],
  ["infinity", { id: "x", vector: [1, Number.POSITIVE_INFINITY, 0] }],
  ["an empty id", { id: "", vector: [1, 0, 0] }],
  ["an id of 513 characters", { id: "x".repeat(513), vector: [1, 0, 0] }],
  ["metadata with NUL", { id: "x", vector: [1, 0, 0], metadata: { a: "\0" } }],
  ["metadata with half a character", { id: "x", vector: [1, 0, 0], metadata: { "\ud800": 1 } }],
  ["metadata that are no JSON", { id: "x", vector: [1, 0, 0], metadata: { a: [Number.NaN] } }],
];

const CASES: Readonly<Record<string, Case>> = {
  "knows none at first": async (store, expect) => {
    expect(await store.query(AHEAD)).toEqual([]);
    expect(await store.delete(["a"])).toBe(0);
    await store.add([]);
  },
  "finds the nearest first, with what was kept of them": async (store, expect) => {
    await store.add([item("opposite", 180), item("near", 60), item("same", 0, { a: 1 }), item("across", 90)]);
    const found = await store.query(AHEAD);
    expect(idsOf(found)).toEqual(["same", "near", "across", "opposite"]);
    expect(found[0]).toMatchObject({ id: "same", text: "text of same", metadata: { a: 1 } });
    expect(found.map(({ score }) => Number(score.toFixed(5)) + 0)).toEqual([1, 0.5, 0, -1]);
  },
  "looks at directions, not at lengths": async (store, expect) => {
    await store.add([
      { id: "long", vector: at(30, 1e200) },
      { id: "short", vector: at(10, 1e-200) },
    ]);
    const found = await store.query(at(0, 1e30));
    expect(idsOf(found)).toEqual(["short", "long"]);
    expect(found.map((match) => "text" in match)).toEqual([false, false]);
  },
  "answers five unless told otherwise, equally near ones by id": async (store, expect) => {
    await store.add(["d", "a", "c", "b", "f", "e"].map((id) => item(id, id < "c" ? 0 : 45)));
    expect(idsOf(await store.query(AHEAD)).length).toBe(5);
    expect(idsOf(await store.query(AHEAD, { limit: 2 }))).toEqual(["a", "b"]);
    expect(idsOf(await store.query(AHEAD, { limit: 1_000 }))).toEqual(["a", "b", "c", "d", "e", "f"]);
  },
  "replaces an item whole, and takes the last one of a call": async (store, expect) => {
    await store.add([item("a", 0, { old: true }), item("b", 20)]);
    await store.add([item("a", 90), { id: "a", vector: at(40), metadata: { new: true } }]);
    const found = await store.query(AHEAD);
    expect(idsOf(found)).toEqual(["b", "a"]);
    expect(found[1]?.metadata).toEqual({ new: true });
    expect(found[1]?.text).toBe(undefined);
  },
  "removes items, and says how many": async (store, expect) => {
    await store.add([item("a", 0), item("b", 10), item("c", 20)]);
    expect(await store.delete(["a", "c", "a", "unknown"])).toBe(2);
    expect(idsOf(await store.query(AHEAD))).toEqual(["b"]);
  },
  "shares nothing with what it was given, or has answered": async (store, expect) => {
    const vector = [...AHEAD];
    const metadata = { list: ["a"] };
    await store.add([{ id: "a", vector, metadata }]);
    vector[0] = -1;
    metadata.list.push("b");
    const [first] = await store.query(AHEAD);
    expect(first).toMatchObject({ id: "a", metadata: { list: ["a"] } });
    Object.assign(first?.metadata ?? {}, { list: ["c"] });
    expect((await store.query(AHEAD))[0]?.metadata).toEqual({ list: ["a"] });
  },
  "keeps odd texts and ids": async (store, expect) => {
    await store.add(ODD_TEXTS.map((text, i) => ({ id: text, text, vector: at(i) })));
    const found = await store.query(AHEAD, { limit: 10 });
    expect(found.map(({ text }) => text)).toEqual(ODD_TEXTS);
    expect(idsOf(found)).toEqual(ODD_TEXTS);
    expect(await store.delete(ODD_TEXTS)).toBe(ODD_TEXTS.length);
  },
  "keeps metadata, and finds by parts of them": async (store, expect) => {
    await store.add([item("a", 0, METADATA), item("other", 0, { kind: "other" })]);
    expect((await store.query(AHEAD, { filter: { kind: "note" } }))[0]?.metadata).toEqual(METADATA);
    const found: (readonly [VectorMetadata, boolean])[] = [];
    for (const [filter] of FILTERS) found.push([filter, idsOf(await store.query(AHEAD, { filter })).includes("a")]);
    expect(found).toEqual(FILTERS);
  },
  "filters before it limits": async (store, expect) => {
    await store.add(Array.from({ length: 200 }, (_, i) => item(`n${i}`, i / 10, { rare: i >= 198 })));
    expect(idsOf(await store.query(AHEAD, { limit: 2, filter: { rare: true } }))).toEqual(["n198", "n199"]);
  },
  "keeps nothing of a call with something that cannot be kept": async (store, expect) => {
    await store.add([item("there", 0)]);
    for (const [what, broken] of BROKEN)
      expect([what, await codeOf(store.add([item("good", 0), broken]))]).toEqual([what, "VECTOR_INVALID"]);
    expect(idsOf(await store.query(AHEAD))).toEqual(["there"]);
  },
  "refuses to look for what cannot be there": async (store, expect) => {
    await store.add([item("there", 0)]);
    expect(await codeOf(store.query([1, 0]))).toBe("VECTOR_INVALID");
    expect(await codeOf(store.query([0, 0, 0]))).toBe("VECTOR_INVALID");
    expect(await codeOf(store.query(AHEAD, { filter: { a: Number.NaN } }))).toBe("VECTOR_INVALID");
    for (const limit of [0, -1, 1.5, 1_001, Number.NaN])
      expect(await codeOf(store.query(AHEAD, { limit }))).toBe("OPTION_INVALID");
  },
  "takes the same ids from several at once": async (store, expect) => {
    const ids = ["a", "b", "c", "d"];
    const turns = Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? ids : ids.toReversed()));
    await Promise.all(turns.map((these) => store.add(these.map((id) => item(id, 0)))));
    expect(idsOf(await store.query(AHEAD))).toEqual(ids);
  },
  "finds among ten thousand": async (store, expect) => {
    const all = Array.from({ length: MANY }, (_, i) => item(`n${i}`, (i * 180) / MANY, { even: i % 2 === 0 }));
    for (let from = 0; from < MANY; from += 2_500) await store.add(all.slice(from, from + 2_500));
    const middle = at(90.001);
    expect(idsOf(await store.query(middle, { limit: 1 }))).toEqual([`n${MANY / 2}`]);
    expect(idsOf(await store.query(AHEAD, { limit: 3, filter: { even: false } }))).toEqual(["n1", "n3", "n5"]);
    expect((await store.query(middle, { limit: 1_000 })).length).toBe(1_000);
  },
};

/** Holds a vector store to its contract, as `storeConformance` does with stores of runs. */
export function vectorConformance(underTest: VectorsUnderTest, { describe, test, expect }: TestApi): void {
  const { name, open, reopen } = underTest;
  describe(`vectors in ${name}`, () => {
    for (const [title, body] of Object.entries(CASES)) {
      test(title, async () => {
        await using store = await open(DIMENSIONS);
        await body(store, expect);
      });
    }
    test("closes twice, and is closed then", async () => {
      const store = await open(DIMENSIONS);
      await store.close();
      await store.close();
      expect(await codeOf(store.query(AHEAD))).toBe("STORE_CLOSED");
    });
    const keeps = reopen === undefined ? test.skip : test;
    keeps(`keeps them when it is closed${reopen === undefined ? " [skipped: it forgets them]" : ""}`, async () => {
      const first = await open(DIMENSIONS);
      await first.add([item("a", 0, { kept: true })]);
      await first.close();
      if (reopen === undefined) return;
      await using again = await reopen(DIMENSIONS);
      expect((await again.query(AHEAD))[0]).toMatchObject({ id: "a", text: "text of a", metadata: { kept: true } });
      expect(await codeOf(again.add([{ id: "b", vector: [1, 2] }]))).toBe("VECTOR_INVALID");
    });
  });
}
