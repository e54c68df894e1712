import { FlujoError } from "../../domain/errors.ts";
import type { Item, ItemQuery, ItemRef, NewItem, PutItemOutcome } from "../../ports/items.ts";
import { cannotKeep, checkListing, unkeepable } from "../../ports/new-item.ts";
import { afterPrefix, fromSortable, sortable } from "../../ports/sortable-text.ts";
import { json, parsed } from "../../ports/stored-text.ts";
import { num } from "./encode.ts";
import { listIn, numberIn, textIn, textOrNull } from "./rows.ts";
import { type Session, STEP } from "./session.ts";

/*
 * Items. One script for a batch, or a few where it is large: each script is atomic, and in it each item is stored whole or not at
 * all. lua/items.ts says where they lie.
 */

/** What one script takes and answers at a time: some milliseconds in which the server does nothing else. */
const CHARACTERS_PER_SCRIPT = 1_000_000;

const argsOf = ({ collection, key }: ItemRef): readonly string[] => [sortable(collection), sortable(key)];

export async function getItems(session: Session, refs: readonly ItemRef[]): Promise<readonly (Item | undefined)[]> {
  const found: (Item | undefined)[] = [];
  for (let at = 0; at < refs.length; at += STEP) {
    const some = refs.slice(at, at + STEP);
    const texts = listIn(await session.read("getItems", ...some.flatMap(argsOf)));
    for (const [i, ref] of some.entries()) {
      const text = textOrNull(texts[i]);
      found.push(text === null ? undefined : itemIn(ref, text));
    }
  }
  return found;
}

/** From the lines of version, instant of the change and end, and the value behind them. */
function itemIn({ collection, key }: ItemRef, text: string): Item {
  const [version = "", updatedAt = "", ends = ""] = text.split("\n", 3);
  const value = text.slice(version.length + updatedAt.length + ends.length + 3);
  return {
    collection,
    key,
    value: parsed(value, `the item ${JSON.stringify(key)} of ${collection}`),
    version: Number(version),
    updatedAt: Number(updatedAt),
    ...(ends !== "" && { expiresAt: Number(ends) }),
  };
}

type Encoded = readonly string[] | FlujoError;

function encoded(item: NewItem): Encoded {
  const refused = unkeepable(item);
  if (refused !== undefined) return refused;
  const { value, expiresAt, ifVersion } = item;
  try {
    const ends = expiresAt === undefined ? "" : num(expiresAt);
    const wanted = ifVersion === undefined ? "" : num(ifVersion);
    return [...argsOf(item), json(value), ends, wanted];
  } catch (error) {
    return cannotKeep(item, error);
  }
}

export async function putItems(session: Session, items: readonly NewItem[]): Promise<readonly PutItemOutcome[]> {
  const texts = items.map(encoded);
  const answers: unknown[] = [];
  for (const args of batchesOf(texts)) answers.push(...listIn(await session.read("putItems", ...args)));
  return items.map((item, i) => {
    const error = texts[i];
    return error instanceof FlujoError ? { status: "rejected", error } : outcomeOf(item, answers.shift());
  });
}

/** Arguments of each script, in the order of the items. */
function batchesOf(texts: readonly Encoded[]): readonly (readonly string[])[] {
  const batches: string[][] = [];
  let [count, characters] = [STEP, 0];
  for (const args of texts) {
    if (args instanceof FlujoError) continue;
    const size = args.reduce((sum, { length }) => sum + length, 0);
    if (count >= STEP || characters + size > CHARACTERS_PER_SCRIPT) {
      batches.push([]);
      [count, characters] = [0, 0];
    }
    batches.at(-1)?.push(...args);
    count += 1;
    characters += size;
  }
  return batches;
}

/** From { 0, version }, { 1 } or { 2, why }. */
function outcomeOf(item: NewItem, answer: unknown): PutItemOutcome {
  const [kind, what] = listIn(answer);
  if (kind === 0) return { status: "stored", version: numberIn(what) };
  if (kind === 1) return { status: "conflict" };
  return { status: "rejected", error: cannotKeep(item, textIn(what)) };
}

export async function removeItems(session: Session, refs: readonly ItemRef[]): Promise<number> {
  let count = 0;
  for (let at = 0; at < refs.length; at += STEP) {
    count += numberIn(await session.read("removeItems", ...refs.slice(at, at + STEP).flatMap(argsOf)));
  }
  return count;
}

/** From where to where ZRANGEBYLEX shall look. */
export function rangeOf(prefix: string, after: string | undefined): readonly [from: string, to: string] {
  const [first, past] = [sortable(prefix), afterPrefix(sortable(prefix))];
  const end = past === undefined ? "+" : `(${past}`;
  const passed = after === undefined ? undefined : sortable(after);
  if (passed !== undefined && Buffer.compare(Buffer.from(passed), Buffer.from(first)) >= 0) return [`(${passed}`, end];
  return [first === "" ? "-" : `[${first}`, end];
}

/** Expired items are passed over, and large ones come a few at a time: so a page may take several looks. */
export async function listItems(session: Session, query: ItemQuery): Promise<readonly Item[]> {
  checkListing(query);
  const { collection, prefix = "", limit } = query;
  const items: Item[] = [];
  for (let after = query.after; ; ) {
    const wanted = num(limit - items.length);
    const args = [sortable(collection), ...rangeOf(prefix, after), wanted, num(CHARACTERS_PER_SCRIPT)];
    const [found, last] = listIn(await session.read("listItems", ...args));
    for (const [key, text] of listIn(found).map((one) => listIn(one).map(textIn))) {
      items.push(itemIn({ collection, key: fromSortable(key ?? "") }, text ?? ""));
    }
    const stopped = textOrNull(last);
    if (stopped === null || items.length >= limit) return items;
    after = fromSortable(stopped);
  }
}

/** All that have expired, in chunks, with a turn of the event loop between them. */
export async function expireItems(session: Session): Promise<void> {
  while (numberIn(await session.read("expireItems", num(STEP))) === STEP) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
