import type { NewItem } from "../../ports/items.ts";
import { newItem } from "./items.ts";
import { START_MS } from "./records.ts";
import type { Scene } from "./scene.ts";
import type { AspectSuite } from "./suite.ts";
import { unstorable } from "./unstorable.ts";

const SOON = START_MS + 100;
const REF = { collection: newItem().collection, key: newItem().key };
const ALL = { collection: REF.collection, limit: 1_000 };

/** An item that expires, and the clock at its last moment. */
async function expiring(scene: Scene, given: Partial<NewItem> = {}): Promise<void> {
  await scene.store.putItems([newItem({ expiresAt: SOON, ...given })]);
  scene.clock.advance(99);
}

export const itemExpiry: AspectSuite = {
  aspect: "items",
  title: "lets items expire",
  define({ it, expect }) {
    it("shows an item until it expires, and from then on as if it were not there", async (scene) => {
      await expiring(scene);
      expect(await scene.store.getItems([REF])).toMatchObject([{ expiresAt: SOON, version: 1 }]);
      expect(await scene.store.listItems(ALL)).toMatchObject([{ expiresAt: SOON }]);
      scene.clock.advance(1);
      expect(await scene.store.getItems([REF])).toEqual([undefined]);
      expect(await scene.store.listItems(ALL)).toEqual([]);
      expect(await scene.store.removeItems([REF])).toBe(0);
    });

    it("fills a page with those that have not expired", async (scene) => {
      const keys = Array.from({ length: 30 }, (_, i) => `key-${String(i).padStart(2, "0")}`);
      const expires = (i: number): Partial<NewItem> => (i % 3 === 2 ? {} : { expiresAt: SOON });
      await scene.store.putItems(keys.map((key, i) => newItem({ key, ...expires(i) })));
      scene.clock.advance(100);
      const found = await scene.store.listItems({ ...ALL, limit: 4 });
      expect(found.map(({ key }) => key)).toEqual(["key-02", "key-05", "key-08", "key-11"]);
    });

    it("begins anew over an item that has expired", async (scene) => {
      await scene.store.putItems([newItem()]);
      await expiring(scene);
      scene.clock.advance(1);
      expect(await scene.store.putItems([newItem({ value: "new" })])).toEqual([{ status: "stored", version: 1 }]);
      expect(await scene.store.getItems([REF])).toEqual([
        { ...newItem({ value: "new" }), version: 1, updatedAt: SOON },
      ]);
    });

    for (const [ifVersion, status] of [
      [0, "stored"],
      [1, "conflict"],
    ] as const) {
      it(`takes an expired item for none when version ${ifVersion} is wanted`, async (scene) => {
        await expiring(scene);
        scene.clock.advance(1);
        expect(await scene.store.putItems([newItem({ ifVersion })])).toMatchObject([{ status }]);
      });
    }

    it("keeps an item whose end was taken off or put off", async (scene) => {
      await scene.store.putItems([
        newItem({ key: "off", expiresAt: SOON }),
        newItem({ key: "later", expiresAt: SOON }),
      ]);
      await scene.store.putItems([newItem({ key: "off" }), newItem({ key: "later", expiresAt: SOON + 1 })]);
      scene.clock.advance(100);
      await scene.store.prune({ endedBefore: 1 });
      expect((await scene.store.listItems(ALL)).map(({ key }) => key)).toEqual(["later", "off"]);
    });

    it("takes an item that has expired already", async (scene) => {
      const outcomes = await scene.store.putItems([newItem({ expiresAt: START_MS }), newItem({ key: "b" })]);
      expect(outcomes.map(({ status }) => status)).toEqual(["stored", "stored"]);
      expect((await scene.store.listItems(ALL)).map(({ key }) => key)).toEqual(["b"]);
    });

    it("prunes expired items, counts none of them, and keeps the others", async (scene) => {
      const keys = Array.from({ length: 300 }, (_, i) => `key-${i}`);
      await scene.store.putItems(keys.map((key) => newItem({ key, expiresAt: SOON })));
      await scene.store.putItems([newItem({ key: "stays" }), newItem({ key: "later", expiresAt: SOON + 1 })]);
      scene.clock.advance(100);
      expect(await scene.store.prune({ endedBefore: 1 })).toBe(0);
      expect((await scene.store.listItems(ALL)).map(({ key }) => key)).toEqual(["later", "stays"]);
      expect(await scene.store.putItems([newItem({ key: "key-7" }), newItem({ key: "stays" })])).toEqual([
        { status: "stored", version: 1 },
        { status: "stored", version: 2 },
      ]);
    });
  },
};

export const rejectedItems: AspectSuite = {
  aspect: "reject",
  title: "refuses items that it cannot store",
  define({ it, expect }) {
    it("rejects an item that cannot be written, and keeps its neighbours", async (scene) => {
      const batch = [newItem({ key: "a" }), newItem({ value: unstorable() }), newItem({ key: "b" })];
      const outcomes = await scene.store.putItems(batch);
      expect(outcomes.map(({ status }) => status)).toEqual(["stored", "rejected", "stored"]);
      expect(outcomes[1]?.status === "rejected" && outcomes[1].error instanceof Error).toBe(true);
      expect((await scene.store.listItems(ALL)).map(({ key }) => key)).toEqual(["a", "b"]);
    });
  },
};
