import type { RunId } from "../../domain/ids.ts";
import { type EndStatus, END_STATUSES } from "../../domain/run.ts";
import type { RunRow } from "./rows.ts";
import type { Tables } from "./tables.ts";

export interface EndedBefore {
  readonly endedBefore: number;
  readonly limit?: number;
  readonly statuses?: readonly EndStatus[];
}

const isDue = (run: RunRow, { endedBefore, statuses = END_STATUSES }: EndedBefore): boolean =>
  run.endedAt !== undefined && run.endedAt < endedBefore && (statuses as readonly string[]).includes(run.status);

export function prune(tables: Tables, options: EndedBefore): number {
  const { limit = Number.POSITIVE_INFINITY } = options;
  let pruned = 0;
  for (const run of tables.runs.values()) {
    if (pruned >= limit) break;
    if (!isDue(run, options) || tables.isAwaited(run)) continue;
    tables.runs.delete(run.id);
    pruned += 1;
  }
  tables.dropBlobs();
  return pruned;
}

/** Runs that `prune` would consider if it knew where their parents are, oldest end first. */
export function ended(
  tables: Tables,
  options: EndedBefore,
): readonly { readonly run: RunId; readonly awaitedBy?: RunId }[] {
  return [...tables.runs.values()]
    .filter((run) => isDue(run, options))
    .sort((a, b) => (a.endedAt ?? 0) - (b.endedAt ?? 0))
    .slice(0, options.limit)
    .map(({ id, parent }) => ({
      run: id,
      ...(parent !== undefined && parent.reply !== "" && { awaitedBy: parent.run }),
    }));
}

export function forget(tables: Tables, runs: readonly RunId[]): number {
  const gone = runs.filter((id) => tables.runs.get(id)?.endedAt !== undefined && tables.runs.delete(id));
  tables.dropBlobs();
  return gone.length;
}

/** One ended run, and all ended runs whose parent is gone. */
export function forgetFamily(tables: Tables, id: RunId): void {
  if (tables.runs.get(id)?.endedAt === undefined) return;
  tables.runs.delete(id);
  // Parents come before their children, so one pass takes whole families.
  for (const { id: child, parent, endedAt } of tables.runs.values())
    if (endedAt !== undefined && parent !== undefined && !tables.runs.has(parent.run)) tables.runs.delete(child);
  tables.dropBlobs();
}
