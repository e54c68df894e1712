import { FlujoError } from "../../domain/errors.ts";
import type { Item, ItemQuery, ItemRef, NewItem, PutItemOutcome } from "../../ports/items.ts";
import { cannotKeep, checkListing, unkeepable } from "../../ports/new-item.ts";
import { afterPrefix, fromSortable, sortable } from "../../ports/sortable-text.ts";
import { json, parsed } from "../../ports/stored-text.ts";
import type { Base } from "./base.ts";
import type { Document } from "./driver.ts";
import { type Marked, type MarkedWrite, writeMarked } from "./marked.ts";

/*
 * Items. Each is one document, so each put is atomic on its own. A batch is read in one command and written in another; of those
 * that somebody else wrote in between the versions are decided anew (marked.ts). Collection and key make up the _id, whose order
 * is that of the keys, so that a listing needs no other index.
 */

/** A document holds 16 MB; the rest is for the key and its surroundings. */
const MAX_VALUE_BYTES = 15 * 1024 * 1024;

interface ItemDocument extends Marked {
  readonly value: string;
  readonly v: number;
  readonly updatedAt: number;
  readonly expiresAt?: number;
}

type Head = Omit<ItemDocument, "value" | "updatedAt">;
const HEAD = { v: 1, expiresAt: 1, mark: 1, marks: 1 } as const;

/** No sortable text has a NUL in it. */
const startOf = (collection: string): string => `${sortable(collection)}\0`;
const idOf = ({ collection, key }: ItemRef): string => startOf(collection) + sortable(key);

const notOver = (now: number): Document => ({
  $or: [{ expiresAt: { $exists: false } }, { expiresAt: { $gt: now } }],
});
const isOver = ({ expiresAt }: Pick<ItemDocument, "expiresAt">, now: number): boolean =>
  expiresAt !== undefined && expiresAt <= now;

export async function getItems(base: Base, refs: readonly ItemRef[]): Promise<readonly (Item | undefined)[]> {
  if (refs.length === 0) return [];
  const now = base.now();
  const ids = [...new Set(refs.map(idOf))];
  const found = (await base.in.items.find({ _id: { $in: ids } }).toArray()) as readonly ItemDocument[];
  const byId = new Map(found.filter((one) => !isOver(one, now)).map((one) => [one._id, one]));
  return refs.map((ref) => {
    const document = byId.get(idOf(ref));
    return document && itemOf(ref, document);
  });
}

const itemOf = ({ collection, key }: ItemRef, { value, v, updatedAt, expiresAt }: ItemDocument): Item => ({
  collection,
  key,
  value: parsed(value, `the item ${JSON.stringify(key)} of ${collection}`),
  version: v,
  updatedAt,
  ...(expiresAt !== undefined && { expiresAt }),
});

/** A put whose value has been written down, and its place in the batch. */
interface Put {
  readonly place: number;
  readonly item: NewItem;
  readonly text: string;
}

function textOf(item: NewItem): string | FlujoError {
  const refused = unkeepable(item);
  if (refused !== undefined) return refused;
  try {
    const text = json(item.value);
    if (Buffer.byteLength(text) <= MAX_VALUE_BYTES) return text;
    const found = `expected a value of at most ${MAX_VALUE_BYTES} bytes, to fit into a document`;
    return new FlujoError("VALUE_TOO_LARGE", `the item ${JSON.stringify(item.key)} of ${item.collection}: ${found}`);
  } catch (error) {
    return cannotKeep(item, error);
  }
}

/** Items with an end that are put until those that have expired are removed: nobody may ever prune. */
const EXPIRING_PUTS = 1_000;

/** Puts items, and now and then removes what has expired, also when it is the first of a short life. */
export class Puts {
  readonly #base: Base;
  #expiring = EXPIRING_PUTS;

  constructor(base: Base) {
    this.#base = base;
  }

  async put(items: readonly NewItem[]): Promise<readonly PutItemOutcome[]> {
    const ending = items.filter(({ expiresAt }) => expiresAt !== undefined).length;
    this.#expiring += ending;
    if (ending > 0 && this.#expiring > EXPIRING_PUTS) {
      this.#expiring = 0;
      await expireItems(this.#base);
    }
    return putItems(this.#base, items);
  }
}

async function putItems(base: Base, items: readonly NewItem[]): Promise<readonly PutItemOutcome[]> {
  const outcomes: PutItemOutcome[] = [];
  const puts = new Map<string, Put[]>();
  for (const [place, item] of items.entries()) {
    const text = textOf(item);
    if (text instanceof FlujoError) {
      outcomes[place] = { status: "rejected", error: text };
      continue;
    }
    const id = idOf(item);
    puts.set(id, [...(puts.get(id) ?? []), { place, item, text }]);
  }
  const decide = async (ids: readonly string[]): Promise<readonly MarkedWrite[]> => {
    const heads = (await base.in.items.find({ _id: { $in: ids } }, { projection: HEAD }).toArray()) as readonly Head[];
    const byId = new Map(heads.map((head) => [head._id, head]));
    const now = base.now();
    return ids.flatMap((id) => {
      const decided = decidePuts(byId.get(id), puts.get(id) ?? [], now);
      for (const [place, outcome] of decided.outcomes) outcomes[place] = outcome;
      return decided.fields === undefined ? [] : [{ id, before: byId.get(id), fields: decided.fields }];
    });
  };
  await writeMarked(base.in.items, [...puts.keys()], { unique: base.unique, decide });
  return outcomes;
}

interface Decided {
  readonly outcomes: readonly (readonly [place: number, outcome: PutItemOutcome])[];
  /** What stands in the document afterwards; absent when nothing was put. */
  readonly fields?: Readonly<Record<keyof Omit<ItemDocument, keyof Marked>, unknown>>;
}

/** Puts of one key, one after another. */
function decidePuts(head: Head | undefined, puts: readonly Put[], now: number): Decided {
  let seen: Pick<Head, "v" | "expiresAt"> | undefined = head;
  let fields: Decided["fields"];
  const outcomes = puts.map(({ place, item: { ifVersion, expiresAt }, text }) => {
    const version = seen === undefined || isOver(seen, now) ? 0 : seen.v;
    if (ifVersion !== undefined && ifVersion !== version) return [place, { status: "conflict" }] as const;
    seen = { v: version + 1, ...(expiresAt !== undefined && { expiresAt }) };
    fields = { value: text, v: version + 1, updatedAt: now, expiresAt };
    return [place, { status: "stored", version: version + 1 }] as const;
  });
  return { outcomes, ...(fields !== undefined && { fields }) };
}

/** Those that have expired stay for prune. */
export async function removeItems(base: Base, refs: readonly ItemRef[]): Promise<number> {
  if (refs.length === 0) return 0;
  const ids = [...new Set(refs.map(idOf))];
  const { deletedCount } = await base.in.items.deleteMany({ _id: { $in: ids }, ...notOver(base.now()) });
  return deletedCount;
}

export async function listItems(base: Base, query: ItemQuery): Promise<readonly Item[]> {
  checkListing(query);
  const { collection, prefix = "", after, limit } = query;
  const start = startOf(collection);
  const range = rangeOf(start + sortable(prefix), after === undefined ? undefined : start + sortable(after));
  const found = (await base.in.items
    .find({ _id: range, ...notOver(base.now()) }, { sort: { _id: 1 }, limit })
    .toArray()) as readonly ItemDocument[];
  return found.map((one) => itemOf({ collection, key: fromSortable(one._id.slice(start.length)) }, one));
}

/** Texts that begin with `prefix` and follow `after`. */
export function rangeOf(prefix: string, after?: string): Document {
  const end = afterPrefix(prefix);
  return { $gte: prefix, ...(after !== undefined && { $gt: after }), ...(end !== undefined && { $lt: end }) };
}

export async function expireItems(base: Base): Promise<void> {
  await base.in.items.deleteMany({ expiresAt: { $lte: base.now() } });
}
