import type { FiberKey, RunId } from "../../domain/ids.ts";
import type { RunEnd, Transition } from "../../ports/store.ts";
import { insertBlobs } from "./blobs.ts";
import { cancelFork, cancelRun } from "./cancel.ts";
import { deliver } from "./messages.ts";
import { insertFiber, insertRun } from "./runs.ts";
import { jsonOrNull } from "../../ports/stored-text.ts";
import type { Work } from "./work.ts";

/** In the order that the contract names. Answers which of the new children had to be queued instead of leased. */
export function applyEffects(work: Work, t: Transition): readonly FiberKey[] {
  insertBlobs(work.db, t.run, t.blobs);
  const queued = t.spawn.filter((fiber) =>
    insertFiber(work, fiber, { run: t.run, owner: fiber.leased ? t.lease : undefined }),
  );
  for (const run of t.startRuns) insertRun(work, run);
  for (const message of t.send) deliver(work, message);
  if (t.cancelFork !== undefined) cancelFork(work, t.run, t.fiber, t.cancelFork);
  for (const { run, reason } of t.cancelRuns) cancelRun(work, run, reason);
  if (t.dropFork !== undefined) dropFork(work, t.run, t.fiber, t.dropFork);
  if (t.endRun !== undefined) endRun(work, t.run, t.fiber, t.endRun);
  return queued.map(({ key }) => key);
}

const FORK = "run = ? AND parent = ? AND fork = ? AND ended IS NOT NULL";

function dropFork({ db }: Work, run: RunId, parent: string, fork: number): void {
  db.run(
    `INSERT OR IGNORE INTO chains (run, head) SELECT run, head FROM fibers WHERE ${FORK} AND head IS NOT NULL`,
    run,
    parent,
    fork,
  );
  db.run(`DELETE FROM contexts WHERE fiber IN (SELECT id FROM fibers WHERE ${FORK})`, run, parent, fork);
  db.run(`DELETE FROM fibers WHERE ${FORK}`, run, parent, fork);
}

const END_RUN = `
  UPDATE runs SET status = ?, output = ?, failure = ?, ended_at = ?,
    head = (SELECT head FROM fibers WHERE run = runs.id AND key = ?)
  WHERE id = ?`;

const KEEP_OTHER_CHAINS =
  "INSERT OR IGNORE INTO chains (run, head) SELECT run, head FROM fibers WHERE run = ? AND key <> ? AND head IS NOT NULL";

/** The fiber that ends the run leaves its chain of events to the run itself; most runs need no row in `chains`. */
function endRun(work: Work, run: RunId, fiber: string, { status, output, failure, at }: RunEnd): void {
  const { db } = work;
  db.run(END_RUN, status, jsonOrNull(output), jsonOrNull(failure), at, fiber, run);
  db.run(KEEP_OTHER_CHAINS, run, fiber);
  db.run("DELETE FROM contexts WHERE fiber IN (SELECT id FROM fibers WHERE run = ?)", run);
  db.run("DELETE FROM fibers WHERE run = ?", run);
  db.run("DELETE FROM messages WHERE run = ? AND id IS NULL", run); // the others were acknowledged to their senders
  db.run("DELETE FROM waits WHERE run = ?", run);
  work.noteRun(run);
}
