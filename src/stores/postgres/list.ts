import { isEnd, type RunRecord, type RunStatus } from "../../domain/run.ts";
import { checkQuery, cursorAfter } from "../../ports/list-query.ts";
import type { ListQuery, Page } from "../../ports/store.ts";
import { json, storable } from "../../ports/stored-text.ts";
import type { Database } from "./database.ts";
import type { SqlValue } from "./driver.ts";
import { RUN_COLUMNS, STATUS } from "./read.ts";
import { runRecord } from "./rows.ts";

type Bind = (value: SqlValue, type: string) => string;

/**
 * Keyset paging by (created_at, id). A metadata filter drives the query from its side table, whose key ends in the order of
 * the list; further pairs are looked up per row. Text is built from constants only.
 */
export async function listRuns(db: Database, now: number | null, query: ListQuery): Promise<Page<RunRecord>> {
  const { limit, order, after } = checkQuery(query);
  const values: SqlValue[] = [now];
  const bind: Bind = (value, type) => `$${values.push(value)}::${type}`;
  const [first, ...others] = Object.entries(query.metadata ?? {}).map(
    (pair) => `md5(${bind(json(pair), "text")})::uuid`,
  );
  const [table, id, createdAt] =
    first === undefined
      ? ["flujo.runs AS r", "r.id", "r.created_at"]
      : ["flujo.run_metadata AS p JOIN flujo.runs AS r ON r.id = p.run", "p.run", "p.created_at"];
  const direction = order === "newest" ? "DESC" : "ASC";

  const where: string[] = ["TRUE"];
  if (first !== undefined) where.push(`p.pair = ${first}`);
  for (const pair of others) {
    where.push(`EXISTS (SELECT 1 FROM flujo.run_metadata AS o
      WHERE o.pair = ${pair} AND o.created_at = r.created_at AND o.run = r.id)`);
  }
  if (query.flow !== undefined) where.push(`r.flow = ${bind(storable(query.flow), "text")}`);
  if (query.version !== undefined) where.push(`r.version = ${bind(storable(query.version), "text")}`);
  if (query.parent !== undefined) where.push(`r.parent_run = ${bind(query.parent, "text")}`);
  if (query.createdAfter !== undefined) where.push(`${createdAt} > ${bind(query.createdAfter, "float8")}`);
  if (query.createdBefore !== undefined) where.push(`${createdAt} < ${bind(query.createdBefore, "float8")}`);
  if (query.status !== undefined) where.push(hasStatus([query.status].flat(), bind));
  if (after !== undefined) {
    const place = `(${bind(after.createdAt, "float8")}, ${bind(after.id, "text")})`;
    where.push(`(${createdAt}, ${id}) ${order === "newest" ? "<" : ">"} ${place}`);
  }
  const rows = await db.queryOnce(
    `SELECT ${RUN_COLUMNS} FROM ${table} WHERE ${where.join(" AND ")}
     ORDER BY ${createdAt} ${direction}, ${id} ${direction} LIMIT ${bind(limit + 1, "int8")}`,
    values,
  );
  const items = rows.slice(0, limit).map(runRecord);
  const last = items.at(-1);
  return { items, ...(rows.length > limit && last !== undefined && { next: cursorAfter(last) }) };
}

/** An end is stored as it is, and so is that there is none: as text of their own they name the partial indexes that have them all. */
function hasStatus(wanted: readonly RunStatus[], bind: Bind): string {
  const among = `${bind(wanted, "text[]")}`;
  if (wanted.every(isEnd)) {
    const exact = `r.status = ANY(${among})`;
    return wanted.includes("completed") ? exact : `r.status IN ('failed', 'cancelled') AND ${exact}`;
  }
  const computed = `(${STATUS}) = ANY(${among})`;
  return wanted.some(isEnd) ? computed : `r.status = 'open' AND ${computed}`;
}
