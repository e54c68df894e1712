import type { Item, ItemStore, NewItem, PutItemOutcome } from "../../ports/items.ts";
import { cannotKeep, checkListing, unkeepable } from "../../ports/new-item.ts";
import { afterPrefix, byCodePoint, fromSortable, sortable } from "../../ports/sortable-text.ts";
import { json, parsed } from "../../ports/stored-text.ts";
import { Columns, emptyValues } from "./columns.ts";
import type { Database } from "./database.ts";
import type { Row, SqlValue } from "./driver.ts";
import { isRowFault } from "./errors.ts";
import {
  CHANGED_PARAMS,
  GET_ITEMS,
  ITEM_PARAMS,
  PUT_ITEMS,
  REMOVE_ITEMS,
  SWEEP_ITEMS,
  SWEPT,
} from "./item-programs.ts";
import { CLOCK } from "./read.ts";
import { isNull, numberIn, textIn } from "./rows.ts";
import { segmentsOf } from "./segments.ts";

/*
 * Each item is atomic on its own; a batch is one call, hence one round trip and one sync. Only an item that a batch names twice
 * needs a second call, since it behaves as if its items came one after another.
 */

/** Of those in sortable text. */
const LEAST = "\u0001";

type Ref = Pick<Item, "collection" | "key">;

interface Kept {
  readonly index: number;
  readonly item: NewItem;
  /** As they are stored. */
  readonly collection: string;
  readonly key: string;
  readonly value: string;
}

const nameOf = ({ collection, key }: Ref): string => json([collection, key]);

export async function getItems(
  db: Database,
  refs: readonly Ref[],
  now: number | null,
): Promise<readonly (Item | undefined)[]> {
  const items: (Item | undefined)[] = refs.map(() => undefined);
  if (refs.length === 0) return items;
  for (const row of await db.run(GET_ITEMS, { now, ...columnsOf(refs) })) {
    const at = numberIn(row, "n") - 1;
    const ref = refs[at];
    if (ref !== undefined) items[at] = itemOf(ref, row);
  }
  return items;
}

export async function putItems(
  db: Database,
  items: readonly NewItem[],
  now: number | null,
): Promise<readonly PutItemOutcome[]> {
  const outcomes: PutItemOutcome[] = [];
  const kept: Kept[] = [];
  for (const [index, item] of items.entries()) {
    const one = prepared(item, index);
    if ("status" in one) outcomes[index] = one;
    else kept.push(one);
  }
  for (const segment of segmentsOf(kept, nameOf)) await putSegment(db, segment, now, outcomes);
  return outcomes;
}

export async function removeItems(db: Database, refs: readonly Ref[], now: number | null): Promise<number> {
  if (refs.length === 0) return 0;
  const [row = {}] = await db.run(REMOVE_ITEMS, { now, ...columnsOf(refs) });
  return numberIn(row, "removed");
}

/**
 * A range of the primary key, compared as pairs: asked for the key alone, a server without statistics took the range for a few rows,
 * and sorted all of it for each page. What follows a text at once is that text with the least character behind it.
 */
const LIST = `
  SELECT key, value, version, updated_at, expires_at FROM flujo.items
  WHERE (collection, key) >= ($2, $3) AND (collection, key) < ($4, $5)
    AND (expires_at IS NULL OR expires_at > ${CLOCK})
  ORDER BY collection, key LIMIT $6::int8`;

export async function listItems(
  db: Database,
  query: Parameters<ItemStore["listItems"]>[0],
  now: number | null,
): Promise<readonly Item[]> {
  checkListing(query);
  const { collection, limit } = query;
  const prefix = sortable(query.prefix ?? "");
  const after = query.after === undefined ? "" : `${sortable(query.after)}${LEAST}`;
  const begin = byCodePoint(prefix, after) > 0 ? prefix : after;
  const kept = sortable(collection);
  const until = afterPrefix(prefix);
  const end = until === undefined ? [`${kept}${LEAST}`, ""] : [kept, until];
  const rows = await db.query(LIST, [now, kept, begin, ...end, limit]);
  return rows.map((row) => itemOf({ collection, key: fromSortable(textIn(row, "key")) }, row));
}

/** Removes all that has expired. */
export async function sweepItems(db: Database, now: number | null): Promise<void> {
  for (;;) {
    const [row = {}] = await db.run(SWEEP_ITEMS, { now });
    if (numberIn(row, "removed") < SWEPT) return;
  }
}

function prepared(item: NewItem, index: number): Kept | PutItemOutcome {
  const error = unkeepable(item);
  if (error !== undefined) return { status: "rejected", error };
  try {
    const [collection, key] = [sortable(item.collection), sortable(item.key)];
    return { index, item, collection, key, value: json(item.value) };
  } catch (cause) {
    return { status: "rejected", error: cannotKeep(item, cause) };
  }
}

/** When a row cannot be stored nothing has been written: then each goes alone, and the guilty one is known. */
async function putSegment(
  db: Database,
  segment: readonly Kept[],
  now: number | null,
  outcomes: PutItemOutcome[],
): Promise<void> {
  try {
    const rows = await db.run(PUT_ITEMS, { ...valuesOf(segment), now });
    const versions = new Map(
      rows.map((row) => [
        nameOf({ collection: textIn(row, "collection"), key: textIn(row, "key") }),
        numberIn(row, "version"),
      ]),
    );
    for (const one of segment) {
      const version = versions.get(nameOf(one));
      outcomes[one.index] = version === undefined ? { status: "conflict" } : { status: "stored", version };
    }
  } catch (error) {
    if (!isRowFault(error)) throw error;
    const [only] = segment;
    if (only !== undefined && segment.length === 1) {
      outcomes[only.index] = { status: "rejected", error: cannotKeep(only.item, error) };
      return;
    }
    for (const one of segment) await putSegment(db, [one], now, outcomes);
  }
}

const NO_ITEMS = emptyValues(PUT_ITEMS.params);

function valuesOf(segment: readonly Kept[]): Record<string, SqlValue> {
  const any = new Columns("a", ITEM_PARAMS);
  const fresh = new Columns("n", ITEM_PARAMS);
  const changed = new Columns("c", CHANGED_PARAMS);
  for (const { item, collection, key, value } of segment) {
    const cells = [collection, key, value, item.expiresAt ?? null] as const;
    if (item.ifVersion === undefined) any.add(...cells);
    else if (item.ifVersion === 0) fresh.add(...cells);
    else changed.add(...cells, item.ifVersion);
  }
  const values: Record<string, SqlValue> = { ...NO_ITEMS };
  for (const columns of [any, fresh, changed]) columns.writeTo(values);
  return values;
}

const columnsOf = (refs: readonly Ref[]): { readonly g_collection: string[]; readonly g_key: string[] } => ({
  g_collection: refs.map(({ collection }) => sortable(collection)),
  g_key: refs.map(({ key }) => sortable(key)),
});

function itemOf({ collection, key }: Ref, row: Row): Item {
  return {
    collection,
    key,
    value: parsed(textIn(row, "value"), `items.value of ${collection}/${key}`),
    version: numberIn(row, "version"),
    updatedAt: numberIn(row, "updated_at"),
    ...(!isNull(row, "expires_at") && { expiresAt: numberIn(row, "expires_at") }),
  };
}
