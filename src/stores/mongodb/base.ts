import type { MongoCollection, MongoDatabase } from "./driver.ts";
import { DURABLE } from "./driver.ts";
import { storeError } from "./errors.ts";
import type { Hints } from "./hints.ts";

/** The collections, each named once. */
export interface Collections {
  /** Runs, each with its root fiber and its mailbox, and beside them the other fibers: one queue over all. */
  readonly runs: MongoCollection;
  /** History that no longer fits into its run's document. */
  readonly events: MongoCollection;
  /** Ids of consumed messages that no longer fit. */
  readonly received: MongoCollection;
  readonly blobs: MongoCollection;
  /** Which run needs which blob. */
  readonly references: MongoCollection;
  readonly workers: MongoCollection;
  readonly queues: MongoCollection;
  readonly schedules: MongoCollection;
  readonly definitions: MongoCollection;
  readonly items: MongoCollection;
  readonly quota_accounts: MongoCollection;
  /** Ids of settled holds that no longer fit into their account. */
  readonly quota_holds: MongoCollection;
  readonly counters: MongoCollection;
  /** Whose collections these are, and which version. */
  readonly schema: MongoCollection;
}

export const NAMES: readonly (keyof Collections)[] = [
  "runs",
  "events",
  "received",
  "blobs",
  "references",
  "workers",
  "queues",
  "schedules",
  "definitions",
  "items",
  "quota_accounts",
  "quota_holds",
  "counters",
  "schema",
];

/** Collections that see what the primary has seen, and whose writes are durable whatever the client's own defaults are. */
export function collectionsOf(db: MongoDatabase, prefix: string): Collections {
  const options = { writeConcern: DURABLE, readPreference: "primary", readConcern: { level: "local" } };
  const named = Object.fromEntries(NAMES.map((name) => [name, db.collection(prefix + name, options)]));
  return named as unknown as Collections;
}

/** What every operation needs. */
export interface Base {
  readonly in: Collections;
  readonly hints: Hints;
  /** The store's clock. */
  readonly now: () => number;
  /** A text that nobody else makes: marks of writes, names of lives. */
  readonly unique: () => string;
  /** Where, for messages. */
  readonly where: string;
}

/** Runs an operation of the port; whatever the driver throws leaves as an error of ours. */
export async function guarded<T>(where: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw storeError(error, where);
  }
}
