import { Long } from "mongodb";
import { Collection } from "./collection.ts";
import { Refusal } from "./refusal.ts";
import { type Document, sizeOf } from "./wire.ts";

const FIRST_BATCH = 101;
/** One answer is one BSON document. */
const BATCH_BYTES = 15 * 1024 * 1024;

/** Results that did not fit into one answer. */
class Cursors {
  readonly #open = new Map<number, { readonly namespace: string; rest: readonly Document[] }>();
  readonly #database: string;
  #next = 1;

  constructor(database: string) {
    this.#database = database;
  }

  open(collection: string, documents: readonly Document[], batchSize: number = FIRST_BATCH): Document {
    const namespace = `${this.#database}.${collection}`;
    const batch = firstOf(documents, batchSize);
    const rest = documents.slice(batch.length);
    const id = rest.length === 0 ? 0 : this.#next++;
    if (id !== 0) this.#open.set(id, { namespace, rest });
    return { cursor: { id: Long.fromNumber(id), ns: namespace, firstBatch: batch } };
  }

  more(id: number, batchSize: number = 1_000): Document {
    const cursor = this.#open.get(id);
    if (cursor === undefined) throw new Refusal(43, "CursorNotFound", `cursor id ${id} not found`);
    const nextBatch = firstOf(cursor.rest, batchSize);
    cursor.rest = cursor.rest.slice(nextBatch.length);
    if (cursor.rest.length === 0) this.#open.delete(id);
    return { cursor: { id: Long.fromNumber(cursor.rest.length === 0 ? 0 : id), ns: cursor.namespace, nextBatch } };
  }

  kill(ids: readonly number[]): Document {
    for (const id of ids) this.#open.delete(id);
    return { cursorsKilled: ids, cursorsNotFound: [], cursorsAlive: [], cursorsUnknown: [] };
  }
}

function firstOf(documents: readonly Document[], batchSize: number): readonly Document[] {
  let bytes = 0;
  const most = documents.slice(0, batchSize);
  const end = most.findIndex((document, i) => (bytes += sizeOf(document)) > BATCH_BYTES && i > 0);
  return end === -1 ? most : most.slice(0, end);
}

export class Database {
  readonly name: string;
  readonly cursors: Cursors;
  readonly #collections = new Map<string, Collection>();

  constructor(name: string) {
    this.name = name;
    this.cursors = new Cursors(name);
  }

  get names(): readonly string[] {
    const there = [...this.#collections].filter(([, { size, indexes }]) => size > 0 || indexes.length > 1);
    return there.map(([name]) => name);
  }

  collection(name: string): Collection {
    let collection = this.#collections.get(name);
    if (collection === undefined) this.#collections.set(name, (collection = new Collection(`${this.name}.${name}`)));
    return collection;
  }

  drop(): void {
    this.#collections.clear();
  }
}
