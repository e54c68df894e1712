import type { RunId } from "../../domain/ids.ts";
import { END_STATUSES, type EndStatus } from "../../domain/run.ts";
import { json, parsed } from "../../ports/stored-text.ts";
import { Columns } from "./columns.ts";
import type { Database } from "./database.ts";
import type { SqlValue } from "./driver.ts";
import { isNull, numberIn, runIdIn, textIn } from "./rows.ts";
import { PRUNE } from "./prune-program.ts";

/** Runs deleted per transaction: a prune of a million runs must hold no lock, and no snapshot, for long. */
const CHUNK = 500;

export interface EndedBefore {
  readonly endedBefore: number;
  readonly limit?: number;
  readonly statuses?: readonly EndStatus[];
}

/** A child run that its parent waits for stays as long as that goes on: its output is still to be collected. */
const PRUNABLE = `
  SELECT r.id FROM flujo.runs AS r
  WHERE r.ended_at IS NOT NULL AND r.ended_at < $1::float8 AND r.status = ANY($2::text[])
    AND (coalesce(r.reply, '') = ''
      OR NOT EXISTS (SELECT 1 FROM flujo.runs AS caller WHERE caller.id = r.parent_run AND caller.ended_at IS NULL))
  ORDER BY r.ended_at, r.id LIMIT $3::int8`;

export async function prune(
  db: Database,
  { endedBefore, limit = Number.POSITIVE_INFINITY, statuses = END_STATUSES }: EndedBefore,
): Promise<number> {
  for (let pruned = 0; ; ) {
    const size = Math.min(CHUNK, limit - pruned);
    if (size <= 0) return pruned;
    const rows = await db.query(PRUNABLE, [endedBefore, statuses, size]);
    pruned += await forget(
      db,
      rows.map((row) => runIdIn(row, "id")),
    );
    if (rows.length < size) return pruned;
  }
}

export async function forget(db: Database, runs: readonly RunId[]): Promise<number> {
  if (runs.length === 0) return 0;
  const pairs = new Columns("p", PAIRS);
  for (const row of await db.query("SELECT id, created_at, metadata FROM flujo.runs WHERE id = ANY($1::text[])", [
    runs,
  ])) {
    const run = runIdIn(row, "id");
    const metadata = parsed(textIn(row, "metadata"), `runs.metadata of ${run}`);
    for (const pair of Object.entries(metadata ?? {})) pairs.add(json(pair), numberIn(row, "created_at"), run);
  }
  const values: Record<string, SqlValue> = { runs };
  pairs.writeTo(values);
  const [row = {}] = await db.run(PRUNE, values);
  return numberIn(row, "deleted");
}

const PAIRS = { pair: "text[]", created_at: "float8[]", run: "text[]" } as const;

/** What `prune` would consider if it knew where the parents are. */
export async function ended(
  db: Database,
  { endedBefore, limit, statuses = END_STATUSES }: EndedBefore & { readonly limit: number },
): Promise<readonly { readonly run: RunId; readonly awaitedBy?: RunId }[]> {
  const rows = await db.query(
    `SELECT r.id, CASE WHEN r.reply <> '' THEN r.parent_run END AS awaited_by FROM flujo.runs AS r
     WHERE r.ended_at IS NOT NULL AND r.ended_at < $1::float8 AND r.status = ANY($2::text[])
     ORDER BY r.ended_at, r.id LIMIT $3::int8`,
    [endedBefore, statuses, limit],
  );
  return rows.map((row) => ({
    run: runIdIn(row, "id"),
    ...(!isNull(row, "awaited_by") && { awaitedBy: runIdIn(row, "awaited_by") }),
  }));
}
