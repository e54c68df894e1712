import { END_STATUSES, type EndStatus } from "../../domain/run.ts";
import { releaseBlobs } from "./blobs.ts";
import type { Connection } from "./driver.ts";
import { deleteHistory } from "./events.ts";
import { numberIn, textIn } from "./rows.ts";
import { json, parsed, storable } from "../../ports/stored-text.ts";

/** Runs deleted per transaction: a prune of a million runs must not hold the write lock against working processes. */
export const PRUNE_CHUNK = 100;

/** A child run that its parent waits for stays as long as that goes on: its output is still to be collected. */
const ENDED_BEFORE = `
  SELECT id, created_at, metadata FROM runs INDEXED BY runs_ended
  WHERE ended_at IS NOT NULL AND ended_at < ? AND status IN (SELECT value FROM json_each(?))
    AND (reply IS NULL OR reply = ''
      OR NOT EXISTS (SELECT 1 FROM runs AS caller WHERE caller.id = runs.parent_run AND caller.ended_at IS NULL))
  ORDER BY ended_at LIMIT ?`;

export function pruneChunk(
  db: Connection,
  endedBefore: number,
  limit: number,
  statuses: readonly EndStatus[] = END_STATUSES,
): number {
  const rows = db.all(ENDED_BEFORE, endedBefore, json(statuses), limit);
  for (const row of rows) deleteRun(db, textIn(row, "id"), numberIn(row, "created_at"), textIn(row, "metadata"));
  return rows.length;
}

function deleteRun(db: Connection, run: string, createdAt: number, metadata: string): void {
  deleteHistory(db, run);
  for (const [name, value] of Object.entries(parsed(metadata, `runs.metadata of ${run}`) ?? {})) {
    db.run(
      "DELETE FROM run_metadata WHERE name = ? AND value = ? AND created_at = ? AND run = ?",
      storable(name),
      json(value),
      createdAt,
      run,
    );
  }
  db.run("DELETE FROM chains WHERE run = ?", run);
  db.run("DELETE FROM message_ids WHERE run = ?", run);
  db.run("DELETE FROM messages WHERE run = ?", run);
  releaseBlobs(db, run);
  db.run("DELETE FROM runs WHERE id = ?", run);
}
