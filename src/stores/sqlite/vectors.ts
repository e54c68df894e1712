import { FlujoError } from "../../domain/errors.ts";
import { original, parsed, storable, storableOrNull } from "../../ports/stored-text.ts";
import type { VectorItem, VectorMatch, VectorMetadata, VectorQuery, VectorStore } from "../../ports/vector.ts";
import { checkedQuery, contains, cosine, directed, directionOf, Nearest } from "../../ports/vector-rules.ts";
import { Connection, openFile, type SqliteDriver } from "./driver.ts";
import { APPLICATION_ID, prepareDatabase } from "./migrations.ts";
import { numberIn, textIn } from "./rows.ts";

export interface SqliteVectorOptions {
  /** The database file; created with its directory when absent. It may be that of a store. */
  readonly path?: string;
  /** An open database instead of a path: of better-sqlite3, libsql or node:sqlite. Its owner closes it. */
  readonly driver?: SqliteDriver;
  /** a-z 0-9 _, at most 40 characters. Default "vectors". */
  readonly table?: string;
  /** How long to wait for another process to let go of the file, in milliseconds. Default 5,000. */
  readonly busyTimeoutMs?: number;
}

const TABLE = /^[a-z][a-z0-9_]{0,39}$/;
/** Rows that are looked at before the event loop gets its turn: of 1,536 numbers each, 3 MB. */
const PAGE = 500;

/**
 * Vectors in one table of a SQLite file. Each query looks at all of them, which is exact and good for some hundred thousand.
 *
 *   await using vectors = await sqliteVectors({ path: "./flujo.db" });
 *
 * Throws OPTION_INVALID, DEPENDENCY_MISSING (`npm i libsql`), STORE_UNAVAILABLE, STORE_CORRUPT, STORE_FOREIGN.
 */
export async function sqliteVectors(options: SqliteVectorOptions): Promise<VectorStore> {
  const { path, driver, table = "vectors", busyTimeoutMs = 5_000 } = options;
  if ((path === undefined) === (driver === undefined)) {
    const found = path === undefined ? "neither" : "both";
    throw new FlujoError("OPTION_INVALID", `expected a path or a driver but found ${found}`);
  }
  if (!TABLE.test(table))
    throw new FlujoError("OPTION_INVALID", `table: expected a lower-case name of a-z 0-9 _ but found "${table}"`);
  const db = driver === undefined ? await openFile(path ?? "", false) : new Connection(driver, undefined, false);
  try {
    if (driver === undefined) {
      prepareDatabase(db, { migrate: false, durability: "full", busyTimeoutMs, readonly: false }, Date.now);
    }
    db.write(() => {
      // A store that is opened on this file later must not take it for somebody else's.
      if (driver === undefined) db.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
      db.exec(
        `CREATE TABLE IF NOT EXISTS ${table} (
           number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, vector BLOB NOT NULL, text TEXT, metadata TEXT NOT NULL
         ) STRICT`,
      );
    });
  } catch (error) {
    db.close();
    throw error;
  }
  return new SqliteVectors(db, table);
}

interface Candidate {
  readonly number: number;
  readonly id: string;
  readonly score: number;
}

class SqliteVectors implements VectorStore {
  readonly #db: Connection;
  readonly #table: string;
  #closed = false;

  constructor(db: Connection, table: string) {
    this.#db = db;
    this.#table = table;
  }

  async add(items: readonly VectorItem[]): Promise<void> {
    const db = this.#open();
    db.write(() => {
      for (const { id, direction, text, metadata } of directed(items, this.#dimensions())) {
        db.run(
          `INSERT INTO ${this.#table} (id, vector, text, metadata) VALUES (?1, ?2, ?3, ?4)
           ON CONFLICT (id) DO UPDATE SET vector = excluded.vector, text = excluded.text, metadata = excluded.metadata`,
          storable(id),
          Buffer.from(direction.buffer),
          storableOrNull(text),
          JSON.stringify(metadata),
        );
      }
    });
  }

  async query(vector: readonly number[], options: VectorQuery = {}): Promise<readonly VectorMatch[]> {
    const { limit, filter } = checkedQuery(options);
    const direction = directionOf(vector, this.#dimensions());
    const nearest = new Nearest<Candidate>(limit);
    for (let after = -1, isLast = false; !isLast; ) {
      const rows = this.#page(after, filter !== undefined);
      for (const row of rows) consider(row, { direction, filter, nearest });
      after = rows.length === 0 ? after : numberIn(rows.at(-1), "number");
      isLast = rows.length < PAGE;
      if (!isLast) await new Promise(setImmediate); // everything else in this process goes on in between
    }
    return nearest.found.flatMap((one) => this.#match(one));
  }

  async delete(ids: readonly string[]): Promise<number> {
    const db = this.#open();
    const sql = `DELETE FROM ${this.#table} WHERE id = ?1`;
    return db.write(() => ids.reduce((count, id) => count + db.run(sql, storable(id)), 0));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#db.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #open(): Connection {
    if (this.#closed) throw new FlujoError("STORE_CLOSED", "the vector store was closed");
    return this.#db;
  }

  /** Undefined where there is no vector yet. */
  #dimensions(): number | undefined {
    const db = this.#open();
    const row = db.read(() => db.get(`SELECT length(vector) AS bytes FROM ${this.#table} LIMIT 1`));
    return row === undefined ? undefined : numberIn(row, "bytes") / Float32Array.BYTES_PER_ELEMENT;
  }

  /** Each page on its own snapshot: what is added meanwhile may be seen or not. */
  #page(after: number, withMetadata: boolean): readonly unknown[] {
    const db = this.#open();
    const columns = withMetadata ? "number, id, vector, metadata" : "number, id, vector";
    const sql = `SELECT ${columns} FROM ${this.#table} WHERE number > ?1 ORDER BY number LIMIT ${PAGE}`;
    return db.read(() => db.all(sql, after));
  }

  /** Nothing when it was removed since. */
  #match({ number, id, score }: Candidate): readonly VectorMatch[] {
    const db = this.#open();
    const row = db.read(() => db.get(`SELECT text, metadata FROM ${this.#table} WHERE number = ?1`, number));
    if (row === undefined) return [];
    const { text } = row as { readonly text: string | null };
    return [{ id, ...(text !== null && { text: original(text) }), metadata: metadataIn(row), score }];
  }
}

const metadataIn = (row: unknown): VectorMetadata =>
  parsed(textIn(row, "metadata"), "metadata of a vector") as VectorMetadata;

function consider(
  row: unknown,
  {
    direction,
    filter,
    nearest,
  }: {
    readonly direction: Float32Array;
    readonly filter: VectorMetadata | undefined;
    readonly nearest: Nearest<Candidate>;
  },
): void {
  const { vector } = row as { readonly vector: Uint8Array };
  const theirs = new Float32Array(new Uint8Array(vector).buffer); // a copy: the bytes of a driver may begin anywhere
  if (theirs.length !== direction.length) return; // all were removed and others came while we looked
  const score = cosine(direction, theirs);
  if (!nearest.takes(score) || (filter !== undefined && !contains(metadataIn(row), filter))) return;
  nearest.add({ number: numberIn(row, "number"), id: original(textIn(row, "id")), score });
}
