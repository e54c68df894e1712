import type { Collection, IndexSpec } from "./collection.ts";
import type { Database } from "./database.ts";
import { aggregated, projected, sorted } from "./reading.ts";
import { onlyKnows, Refusal } from "./refusal.ts";
import type { Document } from "./wire.ts";

type Command = (database: Database, command: Document) => Document;

/** What every command may carry. A transaction number would need a replica set, so it is unknown. */
const COMMON = ["lsid", "$db", "$readPreference", "writeConcern", "readConcern", "maxTimeMS", "comment"];

const known = (command: Document, own: readonly string[]): void => {
  const [name = ""] = Object.keys(command);
  onlyKnows(name, command, [...COMMON, ...own]);
  const concern = command["writeConcern"];
  if (concern !== undefined) onlyKnows("writeConcern", concern as Document, ["w", "j", "wtimeout"]);
};

const textOf = (value: unknown): string => String(value);
const documentsIn = (value: unknown): readonly Document[] => (value ?? []) as readonly Document[];

function find(database: Database, command: Document): Document {
  known(command, ["find", "filter", "projection", "sort", "limit", "batchSize", "singleBatch"]);
  const { filter = {}, projection, sort, limit = 0 } = command;
  const found = database.collection(textOf(command["find"])).find(filter as Document);
  const inOrder = sort === undefined ? found : sorted(found, sort as Document);
  const cut = limit === 0 ? inOrder : inOrder.slice(0, Number(limit));
  const documents = projection === undefined ? cut : cut.map((one) => projected(one, projection as Document));
  return database.cursors.open(textOf(command["find"]), documents, command["batchSize"] as number | undefined);
}

function aggregate(database: Database, command: Document): Document {
  known(command, ["aggregate", "pipeline", "cursor"]);
  const [first, ...rest] = documentsIn(command["pipeline"]);
  const criteria = (first?.["$match"] ?? {}) as Document;
  const found = database.collection(textOf(command["aggregate"])).find(criteria);
  const stages = first !== undefined && "$match" in first ? rest : documentsIn(command["pipeline"]);
  return database.cursors.open(textOf(command["aggregate"]), aggregated(found, stages), undefined);
}

function distinct(database: Database, command: Document): Document {
  known(command, ["distinct", "key", "query"]);
  const found = database.collection(textOf(command["distinct"])).find((command["query"] ?? {}) as Document);
  const values = new Set(found.map((document) => document[textOf(command["key"])]));
  values.delete(undefined);
  return { values: [...values] };
}

/** Runs each of many writes; the first that fails ends an ordered batch. Errors name the place, as MongoDB does. */
function each<One>(
  items: readonly One[],
  ordered: boolean,
  write: (item: One, index: number) => void,
): readonly Document[] {
  const errors: Document[] = [];
  for (const [index, item] of items.entries()) {
    try {
      write(item, index);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      errors.push({ index, code: error.code, errmsg: error.message, ...error.details });
      if (ordered) break;
    }
  }
  return errors;
}

const written = (n: number, writeErrors: readonly Document[], more: Document = {}): Document => ({
  n,
  ...more,
  ...(writeErrors.length > 0 && { writeErrors }),
});

function insert(database: Database, command: Document): Document {
  known(command, ["insert", "documents", "ordered"]);
  const collection = database.collection(textOf(command["insert"]));
  let n = 0;
  const errors = each(documentsIn(command["documents"]), command["ordered"] !== false, (document) => {
    collection.insert(document);
    n += 1;
  });
  return written(n, errors);
}

function update(database: Database, command: Document): Document {
  known(command, ["update", "updates", "ordered"]);
  const collection = database.collection(textOf(command["update"]));
  let [n, nModified] = [0, 0];
  const upserted: Document[] = [];
  const errors = each(documentsIn(command["updates"]), command["ordered"] !== false, (one, index) => {
    onlyKnows("an update", one, ["q", "u", "multi", "upsert"]);
    const found = collection.find(one["q"] as Document);
    const chosen = one["multi"] === true ? found : found.slice(0, 1);
    for (const document of chosen) {
      collection.change(document, one["u"]);
      n += 1;
      nModified += 1;
    }
    if (chosen.length === 0 && one["upsert"] === true) {
      upserted.push({ index, _id: collection.upsert(one["q"] as Document, one["u"])["_id"] });
      n += 1;
    }
  });
  return written(n, errors, { nModified, ...(upserted.length > 0 && { upserted }) });
}

function remove(database: Database, command: Document): Document {
  known(command, ["delete", "deletes", "ordered"]);
  const collection = database.collection(textOf(command["delete"]));
  let n = 0;
  const errors = each(documentsIn(command["deletes"]), command["ordered"] !== false, (one) => {
    onlyKnows("a delete", one, ["q", "limit"]);
    const found = collection.find(one["q"] as Document);
    for (const document of one["limit"] === 1 ? found.slice(0, 1) : found) {
      collection.remove(document);
      n += 1;
    }
  });
  return written(n, errors);
}

function findAndModify(database: Database, command: Document): Document {
  known(command, ["findAndModify", "query", "update", "remove", "new", "upsert", "fields"]);
  const collection = database.collection(textOf(command["findAndModify"]));
  const query = (command["query"] ?? {}) as Document;
  const [found] = collection.find(query);
  const shown = (document: Document): Document =>
    command["fields"] === undefined ? document : projected(document, command["fields"] as Document);
  if (command["remove"] === true) {
    if (found !== undefined) collection.remove(found);
    return { value: found === undefined ? null : shown(found), lastErrorObject: { n: found === undefined ? 0 : 1 } };
  }
  if (found === undefined && command["upsert"] !== true)
    return { value: null, lastErrorObject: { n: 0, updatedExisting: false } };
  const after =
    found === undefined ? collection.upsert(query, command["update"]) : collection.change(found, command["update"]);
  const value = command["new"] === true ? shown(after) : found === undefined ? null : shown(found);
  return { value, lastErrorObject: { n: 1, updatedExisting: found !== undefined } };
}

function createIndexes(database: Database, command: Document): Document {
  known(command, ["createIndexes", "indexes"]);
  const collection: Collection = database.collection(textOf(command["createIndexes"]));
  const before = collection.indexes.length;
  for (const index of command["indexes"] as readonly IndexSpec[]) collection.createIndex(index);
  return { numIndexesBefore: before, numIndexesAfter: collection.indexes.length };
}

export const COMMANDS: Readonly<Record<string, Command>> = {
  ping: () => ({}),
  endSessions: () => ({}),
  find,
  aggregate,
  distinct,
  insert,
  update,
  delete: remove,
  findAndModify,
  createIndexes,
  getMore: (database, command) => {
    known(command, ["getMore", "collection", "batchSize"]);
    return database.cursors.more(Number(command["getMore"]), command["batchSize"] as number | undefined);
  },
  killCursors: (database, command) => {
    known(command, ["killCursors", "cursors"]);
    return database.cursors.kill((command["cursors"] as readonly unknown[]).map(Number));
  },
  listIndexes: (database, command) => {
    known(command, ["listIndexes", "cursor"]);
    const { indexes } = database.collection(textOf(command["listIndexes"]));
    return database.cursors.open(
      "$cmd.listIndexes",
      indexes.map((one) => ({ v: 2, ...one })),
      undefined,
    );
  },
  listCollections: (database, command) => {
    known(command, ["listCollections", "filter", "nameOnly", "cursor", "authorizedCollections"]);
    const names = database.names.map((name) => ({ name, type: "collection" }));
    return database.cursors.open("$cmd.listCollections", names, undefined);
  },
  dropDatabase: (database, command) => {
    known(command, ["dropDatabase"]);
    database.drop();
    return {};
  },
};
