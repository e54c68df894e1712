import { type Collection, MongoClient } from "mongodb";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { MongoDouble } from "./server.ts";

interface Thing {
  readonly _id: string;
  readonly [field: string]: unknown;
}

let double: MongoDouble;
let client: MongoClient;
let things: Collection<Thing>;

beforeAll(async () => {
  double = await MongoDouble.start();
});
afterAll(async () => double[Symbol.asyncDispose]());

beforeEach(async () => {
  client = await new MongoClient(double.url, { retryWrites: false, serverSelectionTimeoutMS: 2_000 }).connect();
  things = client.db("double").collection<Thing>("things");
});
afterEach(async () => {
  double.intercept = () => "pass";
  await client.db("double").dropDatabase();
  await client.close();
});

const only = async (): Promise<unknown> => (await things.find().toArray())[0];
const codeOf = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "fine",
    (error: { readonly code?: unknown }) => error.code,
  );

describe("the double of a MongoDB server", () => {
  test("returns what was inserted, text with NUL and all", async () => {
    const thing = { _id: "a", text: "x\0y", deep: { list: [1, "2", true, { three: 3 }] }, big: 2 ** 52 };
    await things.insertOne(thing);
    expect(await only()).toEqual(thing);
  });

  const updates: readonly (readonly [what: string, before: Thing, update: object, after: Thing])[] = [
    [
      "sets and unsets by path",
      { _id: "a", b: { c: 1, d: 2 } },
      { $set: { "b.e": 3 }, $unset: { "b.c": "" } },
      { _id: "a", b: { d: 2, e: 3 } },
    ],
    ["counts", { _id: "a", n: 1 }, { $inc: { n: 2, m: -1 } }, { _id: "a", n: 3, m: -1 }],
    ["pushes", { _id: "a" }, { $push: { l: { $each: [1, 2] } } }, { _id: "a", l: [1, 2] }],
    [
      "pulls records",
      { _id: "a", l: [{ t: 1 }, { t: 2 }] },
      { $pull: { l: { t: { $in: [2] } } } },
      { _id: "a", l: [{ t: 1 }] },
    ],
    ["pulls values", { _id: "a", l: ["x", "y"] }, { $pull: { l: { $in: ["x"] } } }, { _id: "a", l: ["y"] }],
    ["renames what is there", { _id: "a", b: 1 }, { $rename: { b: "c", d: "e" } }, { _id: "a", c: 1 }],
  ];
  test.each(updates)("%s", async (_what, before, update, after) => {
    await things.insertOne(before);
    expect(await things.updateOne({ _id: "a" }, update as Record<string, never>)).toMatchObject({ matchedCount: 1 });
    expect(await only()).toEqual(after);
  });

  test("refuses two changes of one path, as the server does", async () => {
    await things.insertOne({ _id: "a", b: { c: 1 } });
    expect(await codeOf(things.updateOne({ _id: "a" }, { $set: { b: 1 }, $unset: { "b.c": "" as const } }))).toBe(40);
  });

  test("changes nothing of a document whose condition does not hold", async () => {
    await things.insertOne({ _id: "a", v: 1 });
    expect((await things.updateOne({ _id: "a", v: 2 }, { $set: { v: 3 } })).matchedCount).toBe(0);
    expect(await only()).toEqual({ _id: "a", v: 1 });
  });

  test("lets one of many that change a document under a condition win", async () => {
    await things.insertOne({ _id: "a", v: 1 });
    const tries = Array.from({ length: 20 }, async (_, i) =>
      things.updateOne({ _id: "a", v: 1 }, { $set: { v: 2, by: i } }),
    );
    expect((await Promise.all(tries)).filter(({ matchedCount }) => matchedCount === 1).length).toBe(1);
  });

  test("inserts the others of a batch, and names those that were there", async () => {
    await things.insertOne({ _id: "b" });
    const error = await things
      .insertMany([{ _id: "a" }, { _id: "b" }, { _id: "c" }], { ordered: false })
      .catch((one: unknown) => one);
    expect(error).toMatchObject({ code: 11_000, writeErrors: [{ index: 1, code: 11_000 }] });
    expect(await things.find({}, { sort: { _id: 1 } }).toArray()).toEqual([{ _id: "a" }, { _id: "b" }, { _id: "c" }]);
  });

  test("keeps unique what an index says, and answers with key and value", async () => {
    await things.createIndexes([{ key: { a: 1, b: 1 }, name: "ab", unique: true }]);
    await things.insertMany([
      { _id: "1", a: 1, b: 1 },
      { _id: "2", a: 1, b: 2 },
    ]);
    const error = await things.updateOne({ _id: "2" }, { $set: { b: 1 } }).catch((one: unknown) => one);
    expect(error).toMatchObject({ code: 11_000, keyPattern: { a: 1, b: 1 }, keyValue: { a: 1, b: 1 } });
    expect((await things.indexes()).map(({ name }) => name)).toEqual(["_id_", "ab"]);
  });

  test("upserts, with what an equality of the filter says", async () => {
    await things.updateOne(
      { _id: "a", n: { $lt: 5 } },
      { $set: { n: 5 }, $setOnInsert: { born: true } },
      { upsert: true },
    );
    expect(await only()).toEqual({ _id: "a", n: 5, born: true });
    expect(await codeOf(things.updateOne({ _id: "a", n: { $lt: 5 } }, { $set: { n: 6 } }, { upsert: true }))).toBe(
      11_000,
    );
  });

  test("orders texts by their bytes, in ranges as when it sorts", async () => {
    const ids = ["a", "b", "\u{ff5e}", "\u{ffff}", "🙂", "🙂a"];
    await things.insertMany(ids.toReversed().map((_id) => ({ _id })));
    const found = async (_id: Record<string, string>): Promise<readonly string[]> =>
      (await things.find({ _id }, { sort: { _id: 1 } }).toArray()).map((one) => one._id);
    expect(await found({ $gte: "" })).toEqual(ids);
    expect(await found({ $gt: "\u{ff5e}", $lte: "🙂" })).toEqual(["\u{ffff}", "🙂"]);
    expect(await found({ $gte: "a", $lt: "🙂", $gt: "a" })).toEqual(["b", "\u{ff5e}", "\u{ffff}"]);
    expect(await codeOf(things.find({ $or: [{ _id: { $gt: "🙂" } }] }).toArray())).toBe(2);
  });

  test("sorts, limits, projects, and hands out more than one batch", async () => {
    await things.insertMany(Array.from({ length: 250 }, (_, i) => ({ _id: `t${i}`, n: i % 10, rest: "x" })));
    const found = await things
      .find({ n: { $gte: 5 } }, { sort: { n: -1, _id: 1 }, limit: 120, projection: { n: 1 } })
      .toArray();
    expect([found.length, found[0], found[119]?.["n"]]).toEqual([120, { _id: "t109", n: 9 }, 5]);
    expect((await things.find().toArray()).length).toBe(250);
  });

  test("counts by group", async () => {
    await things.insertMany([{ _id: "1", lane: "a", due: 3 }, { _id: "2", lane: "a", due: 1 }, { _id: "3" }]);
    const groups = await things
      .aggregate([{ $group: { _id: "$lane", count: { $sum: 1 }, due: { $min: "$due" } } }])
      .toArray();
    expect(groups).toEqual([
      { _id: "a", count: 2, due: 1 },
      { _id: null, count: 1 },
    ]);
    expect(await things.distinct("lane")).toEqual(["a"]);
  });

  test("refuses a document larger than 16 MB", async () => {
    await things.insertOne({ _id: "a", half: "x".repeat(9_000_000) });
    expect(await codeOf(things.updateOne({ _id: "a" }, { $set: { more: "y".repeat(9_000_000) } }))).toBe(17_419);
  });

  const unknown: readonly (readonly [what: string, ask: () => Promise<unknown>])[] = [
    ["an operator of a filter", async () => things.find({ n: { $near: 1 } } as never).toArray()],
    ["an operator at the top", async () => things.find({ $where: "1" } as never).toArray()],
    ["an operator of an update", async () => things.updateOne({ _id: "a" }, { $mul: { n: 2 } } as never)],
    ["an update by pipeline", async () => things.updateOne({ _id: "a" }, [{ $set: { n: 1 } }])],
    ["a stage", async () => things.aggregate([{ $facet: {} }]).toArray()],
    ["an option", async () => things.find({}, { hint: "n" }).toArray()],
    ["a command", async () => client.db("double").command({ mapReduce: "things" })],
    [
      "a transaction",
      async () =>
        client.withSession(async (session) =>
          session.withTransaction(async () => things.insertOne({ _id: "t" }, { session })),
        ),
    ],
  ];
  test.each(unknown)("refuses %s that it does not know", async (_what, ask) => {
    await things.insertOne({ _id: "a", n: 1 });
    expect(
      await ask().then(
        () => "answered",
        () => "refused",
      ),
    ).toBe("refused");
  });

  test("loses a question, or an answer", async () => {
    const { intercept } = double;
    for (const [fate, stored] of [
      ["drop-before", 0],
      ["drop-after", 1],
    ] as const) {
      double.intercept = ({ name }) => (name === "insert" ? fate : "pass");
      await expect(things.insertOne({ _id: fate })).rejects.toMatchObject({ name: "MongoNetworkError" });
      double.intercept = intercept;
      expect((await things.find({ _id: fate }).toArray()).length).toBe(stored);
    }
  });
});
