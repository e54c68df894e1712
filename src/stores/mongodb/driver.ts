import { FlujoError } from "../../domain/errors.ts";

/*
 * The part of the official driver that the store uses, by shape: the package is loaded only where a store is opened from a URL,
 * and a client that the application has may be of any version of this shape.
 */

export type Document = Readonly<Record<string, unknown>>;
export type Filter = Readonly<Record<string, unknown>>;
export type Update = Readonly<Record<string, unknown>>;

export interface FindOptions {
  readonly projection?: Document;
  readonly sort?: Readonly<Record<string, 1 | -1>>;
  readonly limit?: number;
}

export interface Found {
  toArray(): Promise<readonly unknown[]>;
}

export interface IndexDescription {
  readonly name: string;
  readonly key: Readonly<Record<string, 1 | -1>>;
  readonly partialFilterExpression?: Document;
}

export interface MongoCollection {
  find(filter: Filter, options?: FindOptions): Found;
  aggregate(pipeline: readonly Document[]): Found;
  distinct(key: string, filter: Filter): Promise<readonly unknown[]>;
  insertOne(document: Document): Promise<unknown>;
  insertMany(documents: readonly Document[], options: { readonly ordered: boolean }): Promise<unknown>;
  updateOne(
    filter: Filter,
    update: Update,
    options?: { readonly upsert?: boolean },
  ): Promise<{ readonly matchedCount: number }>;
  updateMany(filter: Filter, update: Update): Promise<{ readonly matchedCount: number }>;
  deleteOne(filter: Filter): Promise<{ readonly deletedCount: number }>;
  deleteMany(filter: Filter): Promise<{ readonly deletedCount: number }>;
  findOneAndUpdate(
    filter: Filter,
    update: Update,
    options: { readonly upsert?: boolean; readonly returnDocument: "before" | "after" },
  ): Promise<unknown>;
  bulkWrite(
    operations: readonly Document[],
    options: { readonly ordered: boolean },
  ): Promise<{ readonly matchedCount: number; readonly upsertedCount: number; readonly deletedCount: number }>;
  createIndexes(indexes: readonly IndexDescription[]): Promise<unknown>;
}

export interface MongoDatabase {
  collection(name: string, options?: Document): MongoCollection;
  listCollections(filter: Filter, options: { readonly nameOnly: boolean }): Found;
  command(command: Document): Promise<unknown>;
}

/** A `MongoClient` of the official driver. Its owner closes it. */
export interface MongoClientLike {
  db(name?: string): { collection(name: string): object };
}

export interface OwnClient extends MongoClientLike {
  connect(): Promise<unknown>;
  close(): Promise<void>;
}

/** The one place that trusts a client to be what it looks like. */
export const databaseOf = (client: MongoClientLike, name: string): MongoDatabase =>
  client.db(name) as unknown as MongoDatabase;

interface Driver {
  readonly MongoClient: new (url: string, options: Document) => OwnClient;
}

/** Majority and journal: a resolved write survives kill -9 of the server, and of the primary where there are replicas. */
export const DURABLE: Document = { w: "majority", journal: true };

/**
 * Retrying is the store's own affair: the driver's retryable writes need a replica set, and a write that found its answer lost
 * can be recognised by its mark wherever it went (see image.ts).
 */
export async function loadClient(url: string, serverSelectionTimeoutMS: number): Promise<OwnClient> {
  let driver: Driver;
  try {
    driver = (await import("mongodb")) as unknown as Driver;
  } catch (error) {
    throw new FlujoError("DEPENDENCY_MISSING", "the MongoDB store needs the package mongodb: npm i mongodb", {
      cause: error,
    });
  }
  try {
    return new driver.MongoClient(url, {
      retryWrites: false,
      serverSelectionTimeoutMS,
      writeConcern: DURABLE,
      appName: "flujo",
    });
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new FlujoError(
      "STORE_URI_INVALID",
      `expected a MongoDB URL but found ${withoutSecrets(url)}: ${withoutUrl(said, url)}`,
    );
  }
}

const withoutUrl = (said: string, url: string): string => (url === "" ? said : said.replaceAll(url, "…"));

/** A URL for messages: without its user, its password (which may hold "/" or "?" by mistake) and its options. */
export const withoutSecrets = (url: string): string => url.replace(/\/\/.*@/s, "//").replace(/\?.*$/s, "");
