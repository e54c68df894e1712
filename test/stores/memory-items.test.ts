import { describe, expect, it } from "vitest";
import { Items } from "../../src/stores/memory/items.ts";
import { newItem } from "../../src/testing/conformance/items.ts";

describe("items in memory", () => {
  it("do not pile up when all of them expire and nobody prunes", () => {
    const items = new Items();
    for (let now = 0; now < 20_000; now++) items.put(newItem({ key: `key-${now}`, expiresAt: now + 10 }), now);
    expect(items.count).toBeLessThan(2_000);
  });

  it("stay when they do not expire, however many there are", () => {
    const items = new Items();
    for (let i = 0; i < 5_000; i++) items.put(newItem({ key: `key-${i}` }), i);
    expect(items.count).toBe(5_000);
    expect(items.get(newItem({ key: "key-7" }), 5_000)).toMatchObject({ version: 1, updatedAt: 7 });
  });

  it("are forgotten with their collection", () => {
    const items = new Items();
    items.put(newItem({ expiresAt: 1 }), 0);
    items.dropExpired(1);
    expect(items.count).toBe(0);
    expect(items.list({ collection: newItem().collection, limit: 1 }, 1)).toEqual([]);
  });
});
