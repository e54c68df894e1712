import type { RunRecord } from "../../domain/run.ts";
import type { ListQuery, Page } from "../../ports/store.ts";
import { checkQuery, cursorAfter } from "../../ports/list-query.ts";
import { type RunRow, runRecord, statusOf } from "./rows.ts";

function matches(run: RunRow, query: ListQuery, now: number): boolean {
  const { flow, version, status, metadata = {}, parent, createdAfter, createdBefore } = query;
  if (flow !== undefined && run.flow !== flow) return false;
  if (version !== undefined && run.version !== version) return false;
  if (parent !== undefined && run.parent?.run !== parent) return false;
  if (createdAfter !== undefined && run.createdAt <= createdAfter) return false;
  if (createdBefore !== undefined && run.createdAt >= createdBefore) return false;
  for (const [key, value] of Object.entries(metadata)) if (run.metadata[key] !== value) return false;
  return status === undefined || [status].flat().includes(statusOf(run, now));
}

/** Ties of `createdAt` are broken by id, so that a cursor means the same in every backend. */
const newestFirst = (a: RunRow, b: RunRow): number => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1);

export function listRuns(runs: Iterable<RunRow>, query: ListQuery, now: number): Page<RunRecord> {
  const { limit, order, after } = checkQuery(query);
  const sign = order === "newest" ? 1 : -1;
  const found = [...runs].filter((run) => matches(run, query, now)).sort((a, b) => sign * newestFirst(a, b));
  const rest =
    after === undefined
      ? found
      : found.filter((run) => {
          const beyond = run.createdAt - after.createdAt || (run.id < after.id ? -1 : run.id > after.id ? 1 : 0);
          return sign === 1 ? beyond < 0 : beyond > 0;
        });
  const items = rest.slice(0, limit);
  const last = items.at(-1);
  return {
    items: items.map((run) => runRecord(run, now)),
    ...(rest.length > limit && last !== undefined && { next: cursorAfter(last) }),
  };
}
