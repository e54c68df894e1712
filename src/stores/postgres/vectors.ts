import { FlujoError } from "../../domain/errors.ts";
import { original, storable, storableOrNull } from "../../ports/stored-text.ts";
import type { VectorItem, VectorMatch, VectorMetadata, VectorQuery, VectorStore } from "../../ports/vector.ts";
import { checkedQuery, clamped, directed, directionOf } from "../../ports/vector-rules.ts";
import { Database } from "./database.ts";
import { openPool, type PgPool, type Row } from "./driver.ts";
import { behindPooler, PROFILES } from "./flags.ts";
import { numberIn, textIn } from "./rows.ts";
import { prepareVectors, type VectorTable } from "./vector-table.ts";

export interface PostgresVectorOptions {
  /** `postgres://user:password@host:port/database`. */
  readonly url?: string;
  /** An open pool instead of a URL: of `pg`. Its owner closes it. */
  readonly pool?: PgPool;
  /** A schema of its own, created when absent. Lower case, at most 40 characters. Default "flujo_memory". */
  readonly schema?: string;
  /** Lower case, at most 40 characters. Default "memories". */
  readonly table?: string;
  /** Length of the vectors, 1 to 16,000. Default 1,536. */
  readonly dimensions?: number;
  /**
   * Whether pgvector keeps and finds the vectors. `true` creates the extension where it is not; `false` does without. Default: when
   * the extension is in the database. A table stays what it was made as.
   */
  readonly pgvector?: boolean;
  /** A transaction pooler (pgbouncer) stands between us and the server. Default false. */
  readonly pooler?: boolean;
  /** Connections at most. Default 5. */
  readonly poolMax?: number;
  /** How long a statement may take, in milliseconds. Default 30,000. */
  readonly statementTimeoutMs?: number;
  /** How long connecting may take, in milliseconds. Default 5,000. */
  readonly connectTimeoutMs?: number;
}

const NAME = /^[a-z_][a-z0-9_]{0,39}$/;
const MAX_DIMENSIONS = 16_000;
/** An index takes about 3 ms for each row: 10,000 of them in one statement took as long as a statement may. */
const ROWS_AT_ONCE = 500;
/** An index of pgvector looks at 40 rows unless told otherwise, and answers no more than it looks at. */
const LEAST_LOOKED_AT = 100;

/**
 * Vectors in one table of a Postgres database. With pgvector an HNSW index finds the nearest of millions, nearly always all of
 * them; queries with a filter, and everything without pgvector, look at each row, which is exact and good for some ten thousand.
 *
 *   await using vectors = await postgresVectors({ url: "postgres://app@localhost/app", dimensions: 1_536 });
 *
 * Throws OPTION_INVALID, VECTOR_INVALID when the table holds vectors of another length, DEPENDENCY_MISSING (`npm i pg`),
 * STORE_UNAVAILABLE, STORE_READ_ONLY.
 */
export async function postgresVectors(options: PostgresVectorOptions): Promise<VectorStore> {
  const { url, pool, pooler = false, statementTimeoutMs = 30_000, connectTimeoutMs = 5_000, poolMax = 5 } = options;
  const { schema = "flujo_memory", table = "memories", dimensions = 1_536 } = options;
  if ((url === undefined) === (pool === undefined)) {
    const found = url === undefined ? "neither" : "both";
    throw new FlujoError("OPTION_INVALID", `expected a url or a pool but found ${found}`);
  }
  for (const [option, name] of Object.entries({ schema, table })) {
    if (!NAME.test(name))
      throw new FlujoError("OPTION_INVALID", `${option}: expected a lower-case name of a-z 0-9 _ but found "${name}"`);
  }
  if (!Number.isInteger(dimensions) || dimensions < 1 || dimensions > MAX_DIMENSIONS)
    throw new FlujoError("OPTION_INVALID", `dimensions: expected 1 to ${MAX_DIMENSIONS} but found ${dimensions}`);
  const settings = { min: 0, max: poolMax, statementTimeoutMs, connectTimeoutMs, applicationName: "flujo", pooler };
  const db = new Database({
    pool: pool ?? (await openPool({ url: url ?? "", ...settings })),
    owned: pool === undefined,
    schema,
    flags: pooler ? behindPooler(PROFILES.postgres) : PROFILES.postgres,
    statementTimeoutMs,
    where: "the Postgres database of the vectors",
  });
  try {
    return new PostgresVectors(db, await prepareVectors(db, { table, dimensions, pgvector: options.pgvector }));
  } catch (error) {
    await db.close();
    throw error;
  }
}

class PostgresVectors implements VectorStore {
  readonly #db: Database;
  readonly #table: VectorTable;

  constructor(db: Database, table: VectorTable) {
    this.#db = db;
    this.#table = table;
  }

  async add(items: readonly VectorItem[]): Promise<void> {
    const all = directed(items, this.#table.dimensions);
    if (all.length === 0) return;
    const { name, asVector, literal } = this.#table;
    // In order of ids: two that add the same ones at once must not wait for each other.
    const rows = all.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    const sql = `INSERT INTO ${name} (id, vector, text, metadata)
       SELECT id, ${asVector("vector")}, text, metadata::jsonb
       FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS given (id, vector, text, metadata)
       ON CONFLICT (id) DO UPDATE SET vector = excluded.vector, text = excluded.text, metadata = excluded.metadata`;
    const columns = (some: typeof rows): readonly (readonly (string | null)[])[] => [
      some.map(({ id }) => storable(id)),
      some.map(({ direction }) => literal(direction)),
      some.map(({ text }) => storableOrNull(text)),
      some.map(({ metadata }) => JSON.stringify(metadata)),
    ];
    if (rows.length <= ROWS_AT_ONCE) {
      await this.#db.query(sql, columns(rows));
      return;
    }
    await this.#db.transaction(async (client) => {
      for (let from = 0; from < rows.length; from += ROWS_AT_ONCE)
        await this.#db.queryIn(client, sql, columns(rows.slice(from, from + ROWS_AT_ONCE)));
    });
  }

  async query(vector: readonly number[], options: VectorQuery = {}): Promise<readonly VectorMatch[]> {
    const { limit, filter } = checkedQuery(options);
    const { dimensions, literal, index, nearest, nearestWith } = this.#table;
    const direction = literal(directionOf(vector, dimensions));
    if (filter !== undefined) {
      const wanted = [direction, limit, JSON.stringify(filter)];
      // The index finds the nearest first and what fits the filter among these afterwards: too few, or none.
      return (await this.#unindexed(nearestWith, wanted)).map(matchOf);
    }
    if (!index) return (await this.#db.query(nearest, [direction, limit])).map(matchOf);
    const rows = await this.#db.transaction(async (client) => {
      await client.query({ text: `SET LOCAL hnsw.ef_search = ${Math.max(LEAST_LOOKED_AT, limit)}` });
      return this.#db.queryIn(client, nearest, [direction, limit]);
    });
    return rows.map(matchOf);
  }

  #unindexed(sql: string, values: readonly (string | number)[]): Promise<readonly Row[]> {
    return this.#table.index
      ? this.#db.transaction(async (client) => {
          await client.query({ text: "SET LOCAL enable_indexscan = off" });
          return this.#db.queryIn(client, sql, values);
        })
      : this.#db.query(sql, values);
  }

  async delete(ids: readonly string[]): Promise<number> {
    const { name } = this.#table;
    const [row = {}] = await this.#db.query(
      `WITH gone AS (DELETE FROM ${name} WHERE id = ANY ($1::text[]) RETURNING 1) SELECT count(*)::int AS count FROM gone`,
      [ids.map(storable)],
    );
    return numberIn(row, "count");
  }

  close(): Promise<void> {
    return this.#db.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function matchOf(row: Row): VectorMatch {
  const { text } = row as { readonly text: string | null };
  return {
    id: original(textIn(row, "id")),
    ...(text !== null && { text: original(text) }),
    metadata: JSON.parse(textIn(row, "metadata")) as VectorMetadata,
    score: clamped(numberIn(row, "score")),
  };
}
