import { filterOf } from "./filter.ts";
import { valuesAt } from "./paths.ts";
import { badValue, onlyKnows, Refusal } from "./refusal.ts";
import { updated } from "./update.ts";
import { type Document, sizeOf } from "./wire.ts";

const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;

export interface IndexSpec {
  readonly name: string;
  readonly key: Readonly<Record<string, 1 | -1>>;
  readonly unique?: boolean;
  readonly partialFilterExpression?: Document;
}

interface Index {
  readonly spec: IndexSpec;
  readonly covers: (document: Document) => boolean;
  /** Documents by the first field of the key: enough to spare most walks, and to find equal keys. */
  readonly byFirst: Map<string, Set<string>>;
}

const keyOf = (value: unknown): string => `${typeof value} ${String(value)}`;

/** One collection. Node runs one command at a time, which is the atomicity of a document, and a little more. */
export class Collection {
  readonly namespace: string;
  readonly #documents = new Map<string, Document>();
  readonly #indexes = new Map<string, Index>();

  constructor(namespace: string) {
    this.namespace = namespace;
    this.createIndex({ name: "_id_", key: { _id: 1 }, unique: true });
  }

  get size(): number {
    return this.#documents.size;
  }

  get indexes(): readonly IndexSpec[] {
    return [...this.#indexes.values()].map(({ spec }) => spec);
  }

  createIndex(given: IndexSpec): boolean {
    onlyKnows("createIndexes", { ...given }, ["name", "key", "unique", "partialFilterExpression", "v"]);
    if (this.#indexes.has(given.name)) return false;
    const spec: IndexSpec = given;
    const covers = spec.partialFilterExpression === undefined ? () => true : filterOf(spec.partialFilterExpression);
    const index: Index = { spec, covers, byFirst: new Map() };
    for (const [id, document] of this.#documents) enter(index, id, document);
    this.#indexes.set(spec.name, index);
    return true;
  }

  find(criteria: Document): Document[] {
    const fits = filterOf(criteria);
    const found: Document[] = [];
    for (const id of this.#candidates(criteria)) {
      const document = this.#documents.get(id);
      if (document !== undefined && fits(document)) found.push(document);
    }
    return found;
  }

  insert(document: Document): void {
    if (!("_id" in document)) throw badValue("the double wants documents to bring their _id");
    this.#store(undefined, document);
  }

  /** Writes what an update makes of one document, or of the one that an upsert begins with. */
  change(before: Document, update: unknown): Document {
    const after = updated(before, update, false);
    this.#store(before, after);
    return after;
  }

  upsert(criteria: Document, update: unknown): Document {
    const equalities = Object.entries(criteria).filter(([key, value]) => !key.startsWith("$") && isValue(value));
    const after = updated(Object.fromEntries(equalities), update, true);
    if (!("_id" in after)) throw badValue("the double wants upserts to name their _id");
    this.#store(undefined, after);
    return after;
  }

  remove(document: Document): void {
    const id = keyOf(document["_id"]);
    for (const index of this.#indexes.values()) leave(index, id, document);
    this.#documents.delete(id);
  }

  #store(before: Document | undefined, after: Document): void {
    if (sizeOf(after) > MAX_DOCUMENT_BYTES) {
      throw before === undefined
        ? new Refusal(10334, "BSONObjectTooLarge", `object to insert too large. size in bytes: ${sizeOf(after)}`)
        : new Refusal(17419, "Location17419", "Resulting document after update is larger than 16777216");
    }
    const id = keyOf(after["_id"]);
    for (const index of this.#indexes.values())
      this.#refuseDuplicate(index, after, before === undefined ? undefined : id);
    if (before !== undefined) for (const index of this.#indexes.values()) leave(index, id, before);
    this.#documents.set(id, after);
    for (const index of this.#indexes.values()) enter(index, id, after);
  }

  #refuseDuplicate({ spec, covers, byFirst }: Index, after: Document, self: string | undefined): void {
    if (spec.unique !== true || !covers(after)) return;
    const fields = Object.keys(spec.key);
    const [first = "_id"] = fields;
    const same = (other: Document): boolean =>
      fields.every((field) => {
        const mine = valuesAt(after, field.split(".")).map(keyOf);
        return valuesAt(other, field.split(".")).some((value) => mine.includes(keyOf(value)));
      });
    for (const value of valuesAt(after, first.split("."))) {
      for (const id of byFirst.get(keyOf(value)) ?? []) {
        const other = this.#documents.get(id);
        if (id === self || other === undefined || !same(other)) continue;
        const keyValue = Object.fromEntries(fields.map((field) => [field, valuesAt(after, field.split("."))[0]]));
        const message = `E11000 duplicate key error collection: ${this.namespace} index: ${spec.name} dup key: ${JSON.stringify(keyValue)}`;
        throw new Refusal(11000, "DuplicateKey", message, { keyPattern: spec.key, keyValue });
      }
    }
  }

  /** Documents among which the wanted ones are: by the smallest index whose first field is asked for by value. */
  #candidates(criteria: Document): Iterable<string> {
    let best: readonly Set<string>[] | undefined;
    let fewest = Number.POSITIVE_INFINITY;
    for (const { spec, byFirst } of this.#indexes.values()) {
      // A partial index may be used where the filter asks for what the index asks for.
      const partial = Object.keys(spec.partialFilterExpression ?? {});
      if (!partial.every((field) => criteria[field] !== undefined && criteria[field] !== null)) continue;
      const [first = "_id"] = Object.keys(spec.key);
      const sets = valuesAsked(criteria[first])?.map((value) => byFirst.get(keyOf(value)) ?? NOTHING);
      const size = sets?.reduce((sum, set) => sum + set.size, 0) ?? fewest;
      if (sets === undefined || size >= fewest) continue;
      best = sets;
      fewest = size;
      if (spec.name === "_id_") break;
    }
    return best === undefined ? [...this.#documents.keys()] : new Set(best.flatMap((set) => [...set]));
  }
}

const NOTHING: Set<string> = new Set();

const isValue = (value: unknown): boolean => typeof value !== "object" || value === null;

function valuesAsked(condition: unknown): readonly unknown[] | undefined {
  if (condition === undefined || condition === null) return undefined;
  if (typeof condition !== "object") return [condition];
  const within = (condition as Document)["$in"];
  return Array.isArray(within) && within.every((value) => typeof value === "string" || typeof value === "number")
    ? (within as unknown[])
    : undefined;
}

function enter({ spec, covers, byFirst }: Index, id: string, document: Document): void {
  if (!covers(document)) return;
  const [first = "_id"] = Object.keys(spec.key);
  for (const value of valuesAt(document, first.split("."))) {
    const key = keyOf(value);
    const ids = byFirst.get(key);
    if (ids === undefined) byFirst.set(key, new Set([id]));
    else ids.add(id);
  }
}

function leave({ spec, byFirst }: Index, id: string, document: Document): void {
  const [first = "_id"] = Object.keys(spec.key);
  for (const value of valuesAt(document, first.split("."))) {
    const ids = byFirst.get(keyOf(value));
    ids?.delete(id);
    if (ids?.size === 0) byFirst.delete(keyOf(value));
  }
}
