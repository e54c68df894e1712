import type { Item, ItemQuery, ItemRef, NewItem, PutItemOutcome } from "../../ports/items.ts";
import { checkListing, unkeepable } from "../../ports/new-item.ts";
import { byCodePoint, sortable } from "../../ports/sortable-text.ts";

interface Collection {
  readonly rows: Map<string, Item>;
  /** Its keys in code point order; undefined once a key has come or gone, until somebody asks for a list. */
  order: readonly string[] | undefined;
}

/** How many there are at least before expired ones are looked for. */
const FEW = 1_000;

const isOver = ({ expiresAt }: Item, now: number): boolean => expiresAt !== undefined && expiresAt <= now;

/** Items by collection and key. Each call is one step in which nothing else happens, so a batch is atomic as a whole. */
export class Items {
  readonly #collections = new Map<string, Collection>();
  /** How many rows there are, expired ones included. */
  count = 0;
  /** Expired items are dropped when there are twice as many as were left the last time: a constant share of each put. */
  #dropAt = FEW;

  get({ collection, key }: ItemRef, now: number): Item | undefined {
    const item = this.#collections.get(collection)?.rows.get(key);
    return item === undefined || isOver(item, now) ? undefined : item;
  }

  put(item: NewItem, now: number): PutItemOutcome {
    const error = unkeepable(item);
    if (error !== undefined) return { status: "rejected", error };
    const { ifVersion, ...kept } = item;
    const { version: before } = this.get(item, now) ?? { version: 0 };
    if (ifVersion !== undefined && ifVersion !== before) return { status: "conflict" };
    const version = before + 1;
    this.#set({ ...kept, version, updatedAt: now });
    if (this.count >= this.#dropAt) this.dropExpired(now);
    return { status: "stored", version };
  }

  #set(item: Item): void {
    const found: Collection = this.#collections.get(item.collection) ?? { rows: new Map(), order: undefined };
    if (!found.rows.has(item.key)) {
      found.order = undefined;
      this.count += 1;
    }
    found.rows.set(item.key, item);
    this.#collections.set(item.collection, found);
  }

  /** Whether there was one. */
  remove(ref: ItemRef, now: number): boolean {
    const found = this.#collections.get(ref.collection);
    const item = found?.rows.get(ref.key);
    if (found === undefined || item === undefined) return false;
    this.#delete(found, item);
    return !isOver(item, now);
  }

  #delete(from: Collection, { collection, key }: Item): void {
    from.rows.delete(key);
    from.order = undefined;
    this.count -= 1;
    if (from.rows.size === 0) this.#collections.delete(collection);
  }

  /** Throws OPTION_INVALID. */
  list(query: ItemQuery, now: number): readonly Item[] {
    checkListing(query);
    const found = this.#collections.get(query.collection);
    if (found === undefined) return [];
    found.order ??= [...found.rows.keys()].sort(byCodePoint);
    const { prefix = "", after, limit } = query;
    const begin = sortable(prefix);
    const from = after === undefined || byCodePoint(after, prefix) < 0 ? prefix : after;
    const items: Item[] = [];
    for (let i = firstNotBefore(found.order, from); items.length < limit; i++) {
      const key = found.order[i];
      if (key === undefined || !sortable(key).startsWith(begin)) break; // sortable: no half of a character begins another
      const item = found.rows.get(key);
      if (item !== undefined && key !== after && !isOver(item, now)) items.push(item);
    }
    return items;
  }

  dropExpired(now: number): void {
    for (const collection of this.#collections.values())
      for (const item of collection.rows.values()) if (isOver(item, now)) this.#delete(collection, item);
    this.#dropAt = Math.max(FEW, 2 * this.count);
  }
}

function firstNotBefore(order: readonly string[], key: string): number {
  let [low, high] = [0, order.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (byCodePoint(order[middle] ?? "", key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
