import { isEnd, type RunRecord, type RunStatus } from "../../domain/run.ts";
import { checkQuery, cursorAfter } from "../../ports/list-query.ts";
import type { ListQuery, Page } from "../../ports/store.ts";
import type { Connection, SqlValue } from "./driver.ts";
import { runRecord } from "./rows.ts";
import { RUN_COLUMNS, STATUS } from "./runs.ts";
import { json, storable } from "../../ports/stored-text.ts";

/**
 * Keyset paging by (created_at, id). A metadata filter drives the query from its side table, whose key ends in the order of
 * the list; further pairs are looked up per row. Text is built from constants only, so the cache of statements stays small.
 */
export function listRuns(db: Connection, now: number, query: ListQuery): Page<RunRecord> {
  const { limit, order, after } = checkQuery(query);
  const values: SqlValue[] = [now];
  const bind = (value: SqlValue): string => `?${values.push(value)}`;
  const direction = order === "newest" ? "DESC" : "ASC";
  const [first, ...others] = Object.entries(query.metadata ?? {});
  const [table, id, createdAt] =
    first === undefined ? ["runs", "runs.id", "runs.created_at"] : [DRIVEN, "pairs.run", "pairs.created_at"];

  const where: string[] = ["TRUE"];
  if (first !== undefined)
    where.push(`pairs.name = ${bind(storable(first[0]))} AND pairs.value = ${bind(json(first[1]))}`);
  for (const [name, value] of others) where.push(hasPair(bind(storable(name)), bind(json(value))));
  if (query.flow !== undefined) where.push(`runs.flow = ${bind(storable(query.flow))}`);
  if (query.version !== undefined) where.push(`runs.version = ${bind(storable(query.version))}`);
  if (query.parent !== undefined) where.push(`runs.parent_run = ${bind(query.parent)}`);
  if (query.createdAfter !== undefined) where.push(`${createdAt} > ${bind(query.createdAfter)}`);
  if (query.createdBefore !== undefined) where.push(`${createdAt} < ${bind(query.createdBefore)}`);
  if (query.status !== undefined) where.push(hasStatus([query.status].flat(), bind));
  if (after !== undefined)
    where.push(`(${createdAt}, ${id}) ${order === "newest" ? "<" : ">"} (${bind(after.createdAt)}, ${bind(after.id)})`);

  const rows = db.all(
    `SELECT ${RUN_COLUMNS} FROM ${table} WHERE ${where.join(" AND ")}
     ORDER BY ${createdAt} ${direction}, ${id} ${direction} LIMIT ${bind(limit + 1)}`,
    ...values,
  );
  const items = rows.slice(0, limit).map(runRecord);
  const last = items.at(-1);
  return { items, ...(rows.length > limit && last !== undefined && { next: cursorAfter(last) }) };
}

/** An end is stored as it is. Its own text, not a parameter, lets SQLite see that the partial index `runs_unwell` has them all. */
function hasStatus(wanted: readonly RunStatus[], bind: (value: SqlValue) => string): string {
  if (!wanted.every(isEnd)) return `(${STATUS}) IN (${wanted.map(bind).join(", ")})`;
  const among = `runs.status IN (${wanted.map(bind).join(", ")})`;
  return wanted.includes("completed") ? among : `runs.status IN ('failed', 'cancelled') AND ${among}`;
}

const DRIVEN = "run_metadata AS pairs CROSS JOIN runs ON runs.id = pairs.run"; // CROSS JOIN fixes the order of the loops

const hasPair = (name: string, value: string): string => `EXISTS (
  SELECT 1 FROM run_metadata AS other
  WHERE other.name = ${name} AND other.value = ${value} AND other.created_at = runs.created_at AND other.run = runs.id)`;
