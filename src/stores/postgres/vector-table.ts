import type { Database } from "./database.ts";
import { FlujoError } from "../../domain/errors.ts";
import { invalid } from "../../ports/vector-rules.ts";
import type { PgClient } from "./driver.ts";
import { numberIn, textIn } from "./rows.ts";

/** A table of vectors, and how SQL speaks of it. */
export interface VectorTable {
  readonly name: string;
  readonly dimensions: number;
  /** Whether the nearest are found by an index. */
  readonly index: boolean;
  /** A vector as text, and the expression that reads it. */
  readonly literal: (direction: Float32Array) => string;
  readonly asVector: (expression: string) => string;
  /** Rows (id, text, metadata, score) nearest to $1, at most $2 of them; the other only those whose metadata contain $3. */
  readonly nearest: string;
  readonly nearestWith: string;
}

export interface WantedTable {
  readonly table: string;
  readonly dimensions: number;
  readonly pgvector: boolean | undefined;
}

/** An index of pgvector takes vectors of at most this length. */
const INDEXED_DIMENSIONS = 2_000;
const LOCKS = 0x666c_7665; // names the locks under which tables of vectors are made

/** Makes the table, or learns what it is. Throws VECTOR_INVALID for one with vectors of another length. */
export async function prepareVectors(db: Database, wanted: WantedTable): Promise<VectorTable> {
  const { table, dimensions, pgvector } = wanted;
  return db.transaction(async (client) => {
    const ask = (text: string, values: unknown[] = []): ReturnType<PgClient["query"]> =>
      client.query({ text: text.replaceAll("flujo.", `"${db.schema}".`), values });
    await ask("SELECT pg_advisory_xact_lock($1, hashtext($2))", [LOCKS, `${db.schema}.${table}`]);
    await ask(`CREATE SCHEMA IF NOT EXISTS "${db.schema}"`);
    let extension = await extensionIn(ask);
    if (extension === undefined && pgvector === true) {
      await ask("CREATE EXTENSION IF NOT EXISTS vector");
      extension = await extensionIn(ask);
    }
    const known = await kindOf(ask, db.schema, table);
    const kind = known?.kind ?? (extension === undefined || pgvector === false ? "array" : "pgvector");
    if (known !== undefined && pgvector !== undefined && pgvector !== (kind === "pgvector"))
      throw new FlujoError("OPTION_INVALID", `pgvector: the table ${db.schema}.${table} was made as ${kind}`);
    const made = known?.dimensions ?? dimensions;
    if (made !== dimensions)
      throw invalid(`${db.schema}.${table} holds vectors of ${made} numbers, and ${dimensions} were asked for`);
    const described = kind === "array" ? arrays(dimensions) : indexed(dimensions, extension ?? "public");
    if (known === undefined) for (const statement of described.create(table)) await ask(statement);
    return described.table(`flujo.${table}`);
  });
}

type Ask = (text: string, values?: unknown[]) => ReturnType<PgClient["query"]>;

/** The schema in which pgvector is, in quotes. */
async function extensionIn(ask: Ask): Promise<string | undefined> {
  const { rows } = await ask(
    "SELECT quote_ident(nspname) AS name FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'vector'",
  );
  return rows[0] && textIn(rows[0], "name");
}

/** What the table was made as. The length of its vectors stands in its comment: an array's type does not say it. */
async function kindOf(
  ask: Ask,
  schema: string,
  table: string,
): Promise<{ readonly kind: "array" | "pgvector"; readonly dimensions: number } | undefined> {
  const { rows } = await ask(
    `SELECT t.typname AS type, coalesce(substring(obj_description(c.oid, 'pg_class') FROM 'of ([0-9]+) numbers')::int, 0) AS dimensions
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'vector' JOIN pg_type t ON t.oid = a.atttypid
     WHERE n.nspname = $1 AND c.relname = $2`,
    [schema, table],
  );
  const [row] = rows;
  if (row === undefined) return undefined;
  return { kind: textIn(row, "type") === "vector" ? "pgvector" : "array", dimensions: numberIn(row, "dimensions") };
}

interface Described {
  readonly create: (table: string) => readonly string[];
  readonly table: (name: string) => VectorTable;
}

const create = (
  table: string,
  { type, dimensions }: { readonly type: string; readonly dimensions: number },
): string[] => [
  `CREATE TABLE flujo.${table} (
     id text COLLATE "C" PRIMARY KEY, vector ${type} NOT NULL, text text, metadata jsonb NOT NULL
   )`,
  // Never compressed: digits of directions do not compress, and each query reads them.
  `ALTER TABLE flujo.${table} ALTER COLUMN vector SET STORAGE EXTERNAL`,
  `CREATE INDEX ${table}_metadata ON flujo.${table} USING gin (metadata jsonb_path_ops)`,
  `COMMENT ON TABLE flujo.${table} IS 'vectors of ${dimensions} numbers'`,
];

/** Equally near ones by id, after the nearest were found: an index knows distances only. */
const ranked = (inner: string): string =>
  `SELECT id, text, metadata::text AS metadata, score FROM (${inner}) AS near ORDER BY score DESC, id`;

/** All are directions of length 1: the sum of products is the cosine. */
function arrays(dimensions: number): Described {
  const score =
    "(SELECT sum(mine * theirs) FROM unnest(vector, $1::text::float4[]) AS pair (mine, theirs))::float8 AS score";
  const select = (name: string, where: string): string =>
    ranked(`SELECT id, text, metadata, ${score} FROM ${name} ${where} ORDER BY score DESC, id LIMIT $2`);
  return {
    create: (table) => create(table, { type: "float4[]", dimensions }),
    table: (name) => ({
      name,
      dimensions,
      index: false,
      literal: (direction) => `{${direction.join(",")}}`,
      asVector: (expression) => `${expression}::float4[]`,
      nearest: select(name, ""),
      nearestWith: select(name, "WHERE metadata @> $3::jsonb"),
    }),
  };
}

function indexed(dimensions: number, extension: string): Described {
  const type = `${extension}.vector`;
  const distance = `vector OPERATOR(${extension}.<=>) $1::text::${type}`;
  const select = (name: string, where: string): string =>
    ranked(`SELECT id, text, metadata, 1 - (${distance}) AS score FROM ${name} ${where} ORDER BY ${distance} LIMIT $2`);
  const index = dimensions <= INDEXED_DIMENSIONS;
  return {
    create: (table) => [
      ...create(table, { type: `${type}(${dimensions})`, dimensions }),
      ...(index
        ? [`CREATE INDEX ${table}_nearest ON flujo.${table} USING hnsw (vector ${extension}.vector_cosine_ops)`]
        : []),
    ],
    table: (name) => ({
      name,
      dimensions,
      index,
      literal: (direction) => `[${direction.join(",")}]`,
      asVector: (expression) => `${expression}::${type}`,
      nearest: select(name, ""),
      nearestWith: select(name, "WHERE metadata @> $3::jsonb"),
    }),
  };
}
