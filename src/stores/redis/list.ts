import { isEnd, type RunRecord, type RunStatus } from "../../domain/run.ts";
import { type CheckedQuery, checkQuery, cursorAfter } from "../../ports/list-query.ts";
import type { ListQuery, Page } from "../../ports/store.ts";
import { json, storable } from "../../ports/stored-text.ts";
import { listNames, num } from "./encode.ts";
import { listIn, runRecord, textIn } from "./rows.ts";
import type { Session } from "./session.ts";

/** Runs that one script looks at: about 2 ms in which the server does nothing else. */
const LOOKS = 500;

type Statuses = readonly RunStatus[];

/**
 * Walks the shortest list that has all wanted runs, page by page. Statuses of different lists are walked apart and merged: failed runs
 * among a million completed ones are found in their own list.
 */
export async function listRuns(session: Session, query: ListQuery): Promise<Page<RunRecord>> {
  const checked = checkQuery(query);
  const { limit, order } = checked;
  const walks = groupsOf(query).map(async (statuses) => walk(session, query, checked, statuses));
  const found = (await Promise.all(walks)).flat();
  const sign = order === "newest" ? -1 : 1;
  if (walks.length > 1) found.sort((a, b) => sign * (a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1)));
  const items = found.slice(0, limit);
  const last = items.at(-1);
  return { items, ...(found.length > limit && last !== undefined && { next: cursorAfter(last) }) };
}

/** Statuses by the list they stand in: each end has its own, all others share one. */
function groupsOf({ status }: ListQuery): readonly (Statuses | undefined)[] {
  if (status === undefined) return [undefined];
  const wanted = [...new Set([status].flat())];
  const open = wanted.filter((one) => !isEnd(one));
  return [...wanted.filter(isEnd).map((one) => [one]), ...(open.length === 0 ? [] : [open])];
}

function listsOf({ flow, parent, metadata = {} }: ListQuery, statuses: Statuses | undefined): readonly string[] {
  const [first] = statuses ?? [];
  return [
    "l",
    ...(first === undefined ? [] : [`ls:${isEnd(first) ? first : "open"}`]),
    ...(flow === undefined ? [] : [listNames.flow(flow)]),
    ...(parent === undefined ? [] : [listNames.parent(parent)]),
    ...Object.entries(metadata).map(([name, value]) => listNames.metadata(name, value)),
  ];
}

async function walk(
  session: Session,
  query: ListQuery,
  { limit, order, after }: CheckedQuery,
  statuses: Statuses | undefined,
): Promise<readonly RunRecord[]> {
  const filter = json({
    flow: query.flow === undefined ? undefined : storable(query.flow),
    version: query.version === undefined ? undefined : storable(query.version),
    parent: query.parent,
    after: query.createdAfter === undefined ? undefined : num(query.createdAfter),
    before: query.createdBefore === undefined ? undefined : num(query.createdBefore),
    pairs: Object.entries(query.metadata ?? {}).map(([name, value]) => listNames.metadata(name, value)),
    statuses,
  });
  const lists = json(listsOf(query, statuses));
  const records: RunRecord[] = [];
  let [at, id] = after === undefined ? ["", ""] : [num(after.createdAt), after.id];
  for (;;) {
    const wanted = String(limit + 1 - records.length);
    const answer = listIn(await session.read("list", lists, order, at, id, String(LOOKS), wanted, filter));
    for (const found of listIn(answer[0])) records.push(runRecord(found));
    if (records.length > limit || answer[1] === null) return records;
    [at, id] = listIn(answer[1]).map(textIn) as [string, string];
  }
}
