import type { Item, ItemQuery, ItemRef, ItemStore, NewItem, PutItemOutcome } from "../../../src/ports/items.ts";
import type { Wire } from "../../../src/domain/wire.ts";

/** Items in memory, as the port says, with a turn of the loop before each answer so that callers interleave. */
export class ItemDouble implements ItemStore {
  readonly #items = new Map<string, Item>();
  puts = 0;

  async getItems(refs: readonly ItemRef[]): Promise<readonly (Item | undefined)[]> {
    await Promise.resolve();
    return refs.map(({ collection, key }) => this.#items.get(`${collection}/${key}`));
  }

  async putItems(items: readonly NewItem[]): Promise<readonly PutItemOutcome[]> {
    await Promise.resolve();
    this.puts++;
    return items.map((item) => this.#put(item));
  }

  #put({ collection, key, value, ifVersion }: NewItem): PutItemOutcome {
    const before = this.#items.get(`${collection}/${key}`)?.version ?? 0;
    if (ifVersion !== undefined && ifVersion !== before) return { status: "conflict" };
    this.write({
      collection,
      key,
      value: JSON.parse(JSON.stringify(value)) as Wire,
      version: before + 1,
      updatedAt: 0,
    });
    return { status: "stored", version: before + 1 };
  }

  async removeItems(refs: readonly ItemRef[]): Promise<number> {
    await Promise.resolve();
    return refs.filter(({ collection, key }) => this.#items.delete(`${collection}/${key}`)).length;
  }

  async listItems({ collection, prefix = "", after = "", limit }: ItemQuery): Promise<readonly Item[]> {
    await Promise.resolve();
    return this.all(collection)
      .filter(({ key }) => key.startsWith(prefix) && key > after)
      .slice(0, limit);
  }

  /** For a test that tampers. */
  write(item: Item): void {
    this.#items.set(`${item.collection}/${item.key}`, item);
  }

  all(collection: string): readonly Item[] {
    return [...this.#items.values()]
      .filter((item) => item.collection === collection)
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }
}
