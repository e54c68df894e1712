import { FlujoError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { isRunStatus, RUN_STATUSES } from "../domain/run.ts";
import type { ListQuery } from "./store.ts";

const FILTERS = [
  "flow",
  "version",
  "status",
  "metadata",
  "parent",
  "createdAfter",
  "createdBefore",
  "order",
  "limit",
  "cursor",
] as const;
const CURSOR = /^(\d+)~(.+)$/;

/** What every backend reads of a list query, checked the same way everywhere (I8: an unknown filter is an error). */
export interface CheckedQuery {
  readonly limit: number;
  readonly order: "newest" | "oldest";
  readonly after: { readonly createdAt: number; readonly id: string } | undefined;
}

/** Throws FILTER_UNKNOWN, OPTION_INVALID or CURSOR_INVALID. */
export function checkQuery(query: ListQuery): CheckedQuery {
  for (const key of Object.keys(query)) {
    if (!(FILTERS as readonly string[]).includes(key)) {
      throw new FlujoError("FILTER_UNKNOWN", `expected one of ${FILTERS.join(", ")} but found "${key}"`);
    }
  }
  for (const status of query.status === undefined ? [] : [query.status].flat()) {
    if (!isRunStatus(status))
      throw new FlujoError(
        "FILTER_UNKNOWN",
        `status: expected ${RUN_STATUSES.join(", ")} but found "${String(status)}"`,
      );
  }
  const { limit = 50, order = "newest", cursor } = query;
  if (!Number.isInteger(limit) || limit < 1 || limit > LIMITS.pageSize) {
    throw new FlujoError(
      "OPTION_INVALID",
      `limit: expected a whole number from 1 to ${LIMITS.pageSize} but found ${limit}`,
    );
  }
  if (order !== "newest" && order !== "oldest") {
    throw new FlujoError("OPTION_INVALID", `order: expected newest or oldest but found "${String(order)}"`);
  }
  if (cursor === undefined) return { limit, order, after: undefined };
  const [, at, id] = CURSOR.exec(cursor) ?? [];
  if (at === undefined || id === undefined)
    throw new FlujoError("CURSOR_INVALID", `"${cursor}" is not a cursor of this list`);
  return { limit, order, after: { createdAt: Number(at), id } };
}

/** The cursor that continues after a record. */
export const cursorAfter = (record: { readonly createdAt: number; readonly id: string }): string =>
  `${record.createdAt}~${record.id}`;
