import type { Wire } from "../domain/wire.ts";

/** One value that is kept beside the runs: a cached result, an evaluation, the state behind a reference, an audit entry. */
export interface Item {
  /** What kind of thing it is: a name of our own, never a user's. */
  readonly collection: string;
  /** 1 to 512 characters, unique in its collection. Items of a collection are listed by key, in code point order. */
  readonly key: string;
  readonly value: Wire;
  /** 1 when it was made, one more with each change. */
  readonly version: number;
  /** The store's clock. */
  readonly updatedAt: number;
  readonly expiresAt?: number;
}

export type ItemRef = Pick<Item, "collection" | "key">;

export interface NewItem {
  readonly collection: string;
  readonly key: string;
  readonly value: Wire;
  /** From then on, by the store's clock, it is as if it were not there; the store removes it some time later, `prune` at once. */
  readonly expiresAt?: number;
  /** Only when the stored version is this one; 0 = only when there is none. Absent = whatever is there. */
  readonly ifVersion?: number;
}

export type PutItemOutcome =
  | { readonly status: "stored"; readonly version: number }
  | { readonly status: "conflict" } // another version is there
  | { readonly status: "rejected"; readonly error: Error }; // this one cannot be stored; its neighbours were

/** Small documents beside the runs. Each put is atomic on its own; resolved = durable (I3). */
export interface ItemStore {
  /** In the order given; undefined where there is none, or it has expired. */
  getItems(refs: readonly ItemRef[]): Promise<readonly (Item | undefined)[]>;
  /**
   * One round trip for the batch, which behaves as if its items came one after another. Each replaces what is there whole. Keys of
   * 0 or more than 512 characters are `rejected`.
   */
  putItems(items: readonly NewItem[]): Promise<readonly PutItemOutcome[]>;
  /** How many there were. */
  removeItems(refs: readonly ItemRef[]): Promise<number>;
  /**
   * Items whose key begins with `prefix`, after the key `after`, in order of their keys. Limit 1 to 1,000, else OPTION_INVALID.
   * A page shorter than its limit is the last one.
   */
  listItems(query: ItemQuery): Promise<readonly Item[]>;
}

export interface ItemQuery {
  readonly collection: string;
  readonly prefix?: string;
  readonly after?: string;
  readonly limit: number;
}
