import { ROOT_FIBER, type RunId } from "../../domain/ids.ts";
import type { Transition } from "../../ports/store.ts";
import { numberOrNull, textIn } from "./rows.ts";
import { storable } from "../../ports/stored-text.ts";
import type { Work } from "./work.ts";

const REQUEST_CANCEL = `
  UPDATE fibers SET
    cancel = coalesce(cancel, ?1),
    ready_at = CASE WHEN owner IS NULL AND (ready_at IS NULL OR ready_at > ?2) THEN ?2 ELSE ready_at END
  WHERE ended IS NULL AND run = ?3 AND key = ?4`;

export function requestCancel(work: Work, run: RunId, fiber: string, reason: string): void {
  if (work.db.run(REQUEST_CANCEL, storable(reason), work.now, run, fiber) === 0) return;
  work.noteReady();
  work.noteRun(run);
}

export function cancelRun(work: Work, run: RunId, reason: string): "requested" | "ended" | "unknown" {
  const row = work.db.get("SELECT ended_at FROM runs WHERE id = ?", run);
  if (row === undefined) return "unknown";
  if (numberOrNull(row, "ended_at") !== null) return "ended";
  work.db.run("UPDATE runs SET cancel_reason = ? WHERE id = ? AND cancel_reason IS NULL", storable(reason), run);
  requestCancel(work, run, ROOT_FIBER, reason);
  return "requested";
}

type ForkCancel = NonNullable<Transition["cancelFork"]>;

const OPEN_CHILDREN =
  "SELECT key FROM fibers WHERE run = ? AND parent = ? AND fork = ? AND parent IS NOT NULL AND ended IS NULL";

/** Every open child of one fork; the partial index lists exactly those. */
export function cancelFork(work: Work, run: RunId, parent: string, { fork, reason }: ForkCancel): void {
  for (const row of work.db.all(OPEN_CHILDREN, run, parent, fork)) requestCancel(work, run, textIn(row, "key"), reason);
}
