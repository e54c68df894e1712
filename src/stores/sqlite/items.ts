import type { Item, ItemQuery, ItemRef, NewItem, PutItemOutcome } from "../../ports/items.ts";
import { cannotKeep, checkListing, unkeepable } from "../../ports/new-item.ts";
import { afterPrefix, byCodePoint, fromSortable, sortable } from "../../ports/sortable-text.ts";
import { json, parsed } from "../../ports/stored-text.ts";
import type { Connection } from "./driver.ts";
import { isRowFault } from "./errors.ts";
import { numberIn, numberOrNull, textIn } from "./rows.ts";

/*
 * A batch of puts or removals is one transaction under the write lock: atomic as a whole, and nobody writes between the look at a
 * version and the row that follows it. An item that cannot be stored is answered, and leaves its neighbours in the transaction.
 */

/** Expired rows removed per transaction of a prune: a million of them must not hold the write lock against working processes. */
export const EXPIRED_CHUNK = 1_000;

const IS_THERE = "(expires_at IS NULL OR expires_at > ?)";
const COLUMNS = "collection, key, version, updated_at, expires_at, value";

const SELECT = `SELECT ${COLUMNS} FROM items WHERE collection = ? AND key = ? AND ${IS_THERE}`;

export const getItems = (db: Connection, refs: readonly ItemRef[], now: number): readonly (Item | undefined)[] =>
  refs.map(({ collection, key }) => {
    const row = db.get(SELECT, sortable(collection), sortable(key), now);
    return row === undefined ? undefined : itemIn(row);
  });

/** Each batch takes out twice as many expired rows as it brings, so that their number stays bounded where nobody prunes. */
export function putItems(db: Connection, items: readonly NewItem[], now: number): readonly PutItemOutcome[] {
  const outcomes = items.map((item) => putOne(db, item, now));
  dropExpired(db, now, 2 * items.length);
  return outcomes;
}

const VERSION = `SELECT version FROM items WHERE collection = ? AND key = ? AND ${IS_THERE}`;

const UPSERT = `
  INSERT INTO items (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT (collection, key) DO UPDATE SET version = excluded.version, updated_at = excluded.updated_at,
    expires_at = excluded.expires_at, value = excluded.value`;

function putOne(db: Connection, item: NewItem, now: number): PutItemOutcome {
  const error = unkeepable(item);
  if (error !== undefined) return { status: "rejected", error };
  const { value, expiresAt, ifVersion } = item;
  const [collection, key] = [sortable(item.collection), sortable(item.key)];
  try {
    const text = json(value);
    const row = db.get(VERSION, collection, key, now);
    const before = row === undefined ? 0 : numberIn(row, "version");
    if (ifVersion !== undefined && ifVersion !== before) return { status: "conflict" };
    db.run(UPSERT, collection, key, before + 1, now, expiresAt ?? null, text);
    return { status: "stored", version: before + 1 };
  } catch (cause) {
    if (!isRowFault(cause)) throw cause;
    return { status: "rejected", error: cannotKeep(item, cause) };
  }
}

const REMOVE = "DELETE FROM items WHERE collection = ? AND key = ?";

/** Counts those that had not expired. */
export const removeItems = (db: Connection, refs: readonly ItemRef[], now: number): number =>
  refs.filter(({ collection, key }) => {
    const [of, at] = [sortable(collection), sortable(key)];
    const known = db.get(VERSION, of, at, now) !== undefined;
    return db.run(REMOVE, of, at) > 0 && known;
  }).length;

const listText = (until: string): string => `
  SELECT ${COLUMNS} FROM items
  WHERE collection = ?1 AND key >= ?2 ${until} AND (expires_at IS NULL OR expires_at > ?3)
  ORDER BY key LIMIT ?4`;
export const LIST_TO_END: string = listText("");
export const LIST_UNTIL: string = listText("AND key < ?5");

/** One range of the index. What follows a key at once is the key with the least character behind it. */
export function listItems(db: Connection, query: ItemQuery, now: number): readonly Item[] {
  checkListing(query);
  const { collection, limit } = query;
  const prefix = sortable(query.prefix ?? "");
  const after = query.after === undefined ? "" : `${sortable(query.after)}\u0001`;
  const from = byCodePoint(prefix, after) > 0 ? prefix : after;
  const until = afterPrefix(prefix);
  const range = [sortable(collection), from, now, limit] as const;
  const rows = until === undefined ? db.all(LIST_TO_END, ...range) : db.all(LIST_UNTIL, ...range, until);
  return rows.map(itemIn);
}

const DROP_EXPIRED = `
  DELETE FROM items WHERE rowid IN (
    SELECT rowid FROM items INDEXED BY items_expiring WHERE expires_at IS NOT NULL AND expires_at <= ? LIMIT ?)`;

export const dropExpired = (db: Connection, now: number, limit: number): number => db.run(DROP_EXPIRED, now, limit);

function itemIn(row: unknown): Item {
  const [collection, key] = [fromSortable(textIn(row, "collection")), fromSortable(textIn(row, "key"))];
  const expiresAt = numberOrNull(row, "expires_at");
  return {
    collection,
    key,
    value: parsed(textIn(row, "value"), `items.value of ${collection}/${key}`),
    version: numberIn(row, "version"),
    updatedAt: numberIn(row, "updated_at"),
    ...(expiresAt !== null && { expiresAt }),
  };
}
