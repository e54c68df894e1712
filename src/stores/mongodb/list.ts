import { isEnd, type RunRecord, type RunStatus } from "../../domain/run.ts";
import { checkQuery, cursorAfter } from "../../ports/list-query.ts";
import type { ListQuery, Page } from "../../ports/store.ts";
import { storable } from "../../ports/stored-text.ts";
import type { Base } from "./base.ts";
import type { RunDocument } from "./documents.ts";
import type { Document } from "./driver.ts";
import { records } from "./reading.ts";
import { applyRedo } from "./redo.ts";

type After = { readonly createdAt: number; readonly id: string } | undefined;

/**
 * Keyset paging by (createdAt, id). `running`, `waiting` and `paused` are read from the fibers, so a query for one of them reads
 * runs that have not ended until a page is full.
 */
export async function listRuns(base: Base, query: ListQuery): Promise<Page<RunRecord>> {
  const { limit, order, after: first } = checkQuery(query);
  const direction = order === "newest" ? -1 : 1;
  const wanted = query.status === undefined ? undefined : [query.status].flat();
  const filter = filterOf(query, wanted);
  const items: RunRecord[] = [];
  for (let after: After = first; ; ) {
    const found = (await base.in.runs
      .find(
        { ...filter, ...beyond(after, direction) },
        { projection: WITHOUT_FIBER, sort: { createdAt: direction, _id: direction }, limit: limit + 1 },
      )
      .toArray()) as readonly RunDocument[];
    await applyRedo(
      base,
      found.flatMap(({ life, v, redo }) => (redo === undefined ? [] : [{ life, v, redo }])),
    );
    const known = await records(base, found);
    items.push(...known.filter(({ status }) => wanted?.includes(status) ?? true));
    const last = found.at(-1);
    if (found.length <= limit || items.length > limit || last === undefined) break;
    after = { createdAt: last.createdAt, id: last._id };
  }
  const page = items.slice(0, limit);
  const last = page.at(-1);
  return { items: page, ...(items.length > limit && last !== undefined && { next: cursorAfter(last) }) };
}

const WITHOUT_FIBER: Readonly<Record<string, 0>> = {
  state: 0,
  value: 0,
  context: 0,
  aside: 0,
  tail: 0,
  box: 0,
  heard: 0,
  out: 0,
};

const beyond = (after: After, direction: 1 | -1): Document => {
  if (after === undefined) return {};
  const than = direction === -1 ? "$lt" : "$gt";
  return {
    $or: [{ createdAt: { [than]: after.createdAt } }, { createdAt: after.createdAt, _id: { [than]: after.id } }],
  };
};

function filterOf(query: ListQuery, wanted: readonly RunStatus[] | undefined): Document {
  const { flow, version, parent, metadata = {}, createdAfter, createdBefore } = query;
  const pairs = Object.entries(metadata).map(([k, v]) => ({
    $elemMatch: { k: storable(k), v: typeof v === "string" ? storable(v) : v },
  }));
  return {
    ...(flow !== undefined && { flow: storable(flow) }),
    ...(version !== undefined && { version: storable(version) }),
    ...(parent !== undefined && { "caller.run": parent }),
    ...(pairs.length > 0 && { meta: { $all: pairs } }),
    createdAt: {
      $exists: true,
      ...(createdAfter !== undefined && { $gt: createdAfter }),
      ...(createdBefore !== undefined && { $lt: createdBefore }),
    },
    ...(wanted !== undefined && { status: { $in: [...new Set(wanted.map(storedStatus))] } }),
  };
}

const storedStatus = (status: RunStatus): string => (isEnd(status) || status === "pending" ? status : "running");
