import type { SqliteStatement, SqlValue } from "./driver.ts";

/** libsql takes the values as one array too, and is 0.7 µs per call faster at it; alone, a null is taken for an object. */
interface PackedStatement {
  run(values: readonly SqlValue[]): { readonly changes: number | bigint };
  get(values: readonly SqlValue[]): unknown;
  all(values: readonly SqlValue[]): unknown[];
}

export function packed(statement: SqliteStatement): SqliteStatement {
  const native = statement as unknown as PackedStatement;
  return {
    run: (...values) => native.run(values),
    get: (...values) => native.get(values),
    all: (...values) => native.all(values),
  };
}

const NUMBERED = /\?(\d+)/g;

/** better-sqlite3 and node:sqlite take `?1` for a name: they get `?`, and each value as often as it is used. */
export function unnumbered(sql: string, prepare: (sql: string) => SqliteStatement): SqliteStatement {
  const places = [...sql.matchAll(NUMBERED)].map(([, number]) => Number(number) - 1);
  if (places.length === 0) return prepare(sql);
  const statement = prepare(sql.replaceAll(NUMBERED, "?"));
  const spread = (values: readonly SqlValue[]): SqlValue[] => places.map((place) => values[place] ?? null);
  return {
    run: (...values) => statement.run(...spread(values)),
    get: (...values) => statement.get(...spread(values)),
    all: (...values) => statement.all(...spread(values)),
  };
}
