import { randomBytes } from "node:crypto";
import type { Clock } from "../../domain/ambient.ts";
import { FlujoError } from "../../domain/errors.ts";
import type { Store } from "../../ports/store.ts";
import { collectionsOf, guarded } from "./base.ts";
import { ServerClock } from "./clock.ts";
import { databaseOf, loadClient, type MongoClientLike, withoutSecrets } from "./driver.ts";
import { Hints } from "./hints.ts";
import { MongoStore } from "./store.ts";

export interface MongodbStoreOptions {
  /** `mongodb://…` or `mongodb+srv://…`. A database in its path counts where `database` is not given. */
  readonly url?: string;
  /** A client of the official driver instead of a URL. Its owner closes it, after the store. */
  readonly client?: MongoClientLike;
  /** Default: that of the URL, else `flujo`. */
  readonly database?: string;
  /** Before the name of each collection, so that several stores share a database. Default: none. */
  readonly prefix?: string;
  /** The store's clock. Default: the server's. */
  readonly clock?: Pick<Clock, "now">;
  /** Whether missing collections and indexes are made when the store is opened. False: `migrate` does it. Default true. */
  readonly migrate?: boolean;
  /** How long to look for the server, in milliseconds. Default 5,000. Only with a URL. */
  readonly serverSelectionTimeoutMs?: number;
}

const NAME = /^[A-Za-z0-9_-]{1,38}$/; // of a database: 63 bytes, and few characters everywhere

/**
 * Opens a store in a MongoDB database, and creates or upgrades its collections and indexes. Durable: every write is acknowledged
 * by a majority, in the journal. A standalone server will do; nothing here needs a replica set.
 *
 * Throws OPTION_INVALID, STORE_URI_INVALID, DEPENDENCY_MISSING (`npm i mongodb`), STORE_UNAVAILABLE, STORE_READ_ONLY,
 * STORE_FOREIGN, STORE_TOO_NEW.
 *
 *   await using store = await mongodbStore({ url: "mongodb://localhost:27017" });
 *
 * Source: Fluxo, MongoDB backend.
 */
export async function mongodbStore(options: MongodbStoreOptions): Promise<Store> {
  const { url, client, prefix = "", clock, serverSelectionTimeoutMs = 5_000 } = options;
  if ((url === undefined) === (client === undefined)) {
    throw new FlujoError(
      "OPTION_INVALID",
      `expected a url or a client but found ${url === undefined ? "neither" : "both"}`,
    );
  }
  const database = options.database ?? databaseIn(url) ?? "flujo";
  checkName("database", database);
  if (prefix !== "") checkName("prefix", prefix);
  if (!Number.isInteger(serverSelectionTimeoutMs) || serverSelectionTimeoutMs < 1) {
    throw new FlujoError(
      "OPTION_INVALID",
      `serverSelectionTimeoutMs: expected a whole number of milliseconds but found ${serverSelectionTimeoutMs}`,
    );
  }
  const own = url === undefined ? undefined : await loadClient(url, serverSelectionTimeoutMs);
  const where = `the database ${database} at ${url === undefined ? "the given client" : withoutSecrets(url)}`;
  const db = databaseOf(own ?? (client as MongoClientLike), database);
  const time = clock ?? new ServerClock(db);
  const store = new MongoStore({
    base: { in: collectionsOf(db, prefix), hints: new Hints(), now: () => time.now(), unique: uniqueTexts(), where },
    db,
    prefix,
    own,
    ...(time instanceof ServerClock && { clock: time }),
    ...(url !== undefined && clock === undefined && { guarding: { url, database, collection: `${prefix}workers` } }),
  });
  try {
    await guarded(where, async () => {
      await own?.connect();
      if (time instanceof ServerClock) await time.sync();
    });
    if (options.migrate ?? true) await store.migrate();
  } catch (error) {
    await own?.close();
    throw error;
  }
  return store;
}

function checkName(option: string, name: unknown): void {
  if (typeof name === "string" && NAME.test(name)) return;
  throw new FlujoError(
    "OPTION_INVALID",
    `${option}: expected 1 to 38 of A-Z a-z 0-9 _ - but found ${JSON.stringify(name)}`,
  );
}

/** What stands after the hosts. With an "@" in it, it is no name but a password that was not escaped: the driver refuses the URL. */
const databaseIn = (url: string | undefined): string | undefined =>
  /^mongodb(?:\+srv)?:\/\/[^/]+\/([^?@]+)(?:\?[^@]*)?$/.exec(url ?? "")?.[1];

/** Texts that nobody else makes: 96 random bits of this process, and a number. */
function uniqueTexts(): () => string {
  const process = randomBytes(12).toString("base64url");
  let number = 0;
  return () => `${process}${(++number).toString(36)}`;
}
