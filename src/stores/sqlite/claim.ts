import { FlujoError } from "../../domain/errors.ts";
import { mergeOffers } from "../../ports/queue-rules.ts";
import type { ClaimRequest, LeasedFiber } from "../../ports/queue.ts";
import type { Lease } from "../../ports/store.ts";
import { undecodable } from "../../ports/undecodable.ts";
import type { Connection } from "./driver.ts";
import { anyUnseen, type Candidate, mark, mayGive, nextGoverned, offer } from "./lanes.ts";
import { messagesNamed, stopAwaiting } from "./messages.ts";
import { type Due, dueFibers, nextFree, type Wanted } from "./ready.ts";
import { bareFiber, fiberRecord, fingerprintIn, metadataIn, namesIn, parentIn } from "./rows.ts";
import { allGoverned, charge, type Governed } from "./rules.ts";
import { currentLease, FIBER_COLUMNS } from "./runs.ts";
import type { Work } from "./work.ts";

const TAKE = "UPDATE fibers SET owner = ?, epoch = ?, deliveries = deliveries + 1 WHERE id = ?";
const TAKE_WITH_TURN = TAKE.replace(" WHERE", ", turn = '=' || coalesce(lane, '') WHERE");
const READ_TAKEN = `
  SELECT ${FIBER_COLUMNS}, runs.metadata, runs.parent_run, runs.parent_fiber, runs.reply
  FROM fibers JOIN runs ON runs.id = fibers.run LEFT JOIN contexts ON contexts.fiber = fibers.id WHERE fibers.id = ?`;
const SHELVE = "UPDATE fibers SET owner = NULL, epoch = NULL, ready_at = NULL, turn = NULL WHERE id = ?"; // of no run: damage, and no work
const START_RUN = "UPDATE runs SET status = 'running', started_at = ? WHERE id = ? AND status = 'pending'";

const outsideRules = (row: Due): Candidate => ({ ...row, needsTurn: false });

export interface Claimed {
  readonly fibers: readonly LeasedFiber[];
  /** Rows of governed queues have not all been looked at: nothing may only mean nothing yet. */
  readonly more: boolean;
}

export function claim(work: Work, { worker, epoch, limit, ...wanted }: ClaimRequest): Claimed {
  const { db, now } = work;
  if (currentLease(db, { worker, epoch }) === undefined) return { fibers: [], more: false };
  const { free, governed } = separate(db, wanted);
  const { rows, more } =
    governed.length === 0
      ? { rows: dueFibers(db, free, now, limit).map(outsideRules), more: false }
      : admitted(work, { free, governed, limit });
  return { fibers: rows.flatMap((row) => take(work, row, { worker, epoch }) ?? []), more };
}

interface Separate {
  readonly free: Wanted;
  readonly governed: readonly Governed[];
}

function separate(db: Connection, { queues, fingerprints: given }: Wanted): Separate {
  const fingerprints = [...new Set(given)];
  const asked = fingerprints.length === 0 ? [] : allGoverned(db);
  const governed = asked.filter(({ rules }) => queues.includes(rules.queue));
  const names = new Set(governed.map(({ rules }) => rules.queue));
  return { free: { fingerprints, queues: queues.filter((queue) => !names.has(queue)) }, governed };
}

/** What free and governed queues offer together, as far as the claim goes; rates count what is taken. */
function admitted(
  work: Work,
  { free, governed, limit }: Separate & { readonly limit: number },
): { readonly rows: readonly Candidate[]; readonly more: boolean } {
  const { db, now } = work;
  const { fingerprints } = free;
  let more = false;
  const offers: (readonly Candidate[])[] = [dueFibers(db, free, now, limit).map(outsideRules)];
  for (const queue of governed) {
    const unseen = mark(db, queue, free, now);
    const offered = offer(work, queue, { fingerprints, limit });
    more ||= unseen || offered.more;
    offers.push(offered.rows);
  }
  const taken = mergeOffers(offers, limit);
  const chosen = new Set(taken);
  for (const [i, queue] of governed.entries()) {
    const rows = (offers[i + 1] ?? []).filter((row) => chosen.has(row));
    const lanes = rows.flatMap(({ from }) => from ?? []);
    charge(work, queue, lanes);
  }
  return { rows: taken, more };
}

/** Whether a claim would find something. */
export function anyDue(db: Connection, wanted: Wanted, now: number): boolean {
  const { free, governed } = separate(db, wanted);
  return dueFibers(db, free, now, 1).length > 0 || governed.some((queue) => mayGive(db, queue, free, now));
}

/** Whether rows of governed queues must be marked before `nextDue` knows what they wait for. */
export const mustMark = (db: Connection, wanted: Wanted, now: number): boolean =>
  separate(db, wanted).governed.some((queue) => anyUnseen(db, queue, wanted, now));

export function markAll({ db, now }: Work, wanted: Wanted): void {
  for (const queue of separate(db, wanted).governed) mark(db, queue, wanted, now);
}

export function nextDue(db: Connection, wanted: Wanted, now: number): number | undefined {
  const { free, governed } = separate(db, wanted);
  const next = Math.min(
    nextFree(db, free) ?? Number.POSITIVE_INFINITY,
    ...governed.map((queue) => nextGoverned(db, queue, free, now)),
  );
  return next === Number.POSITIVE_INFINITY ? undefined : next;
}

/** Row by row: what cannot be decoded is taken too, for its worker to condemn, and holds up nobody else. */
function take(work: Work, { id, needsTurn }: Candidate, lease: Lease): LeasedFiber | undefined {
  const { db } = work;
  db.run(needsTurn ? TAKE_WITH_TURN : TAKE, lease.worker, lease.epoch, id);
  const row = db.get(READ_TAKEN, id);
  if (row === undefined) {
    db.run(SHELVE, id);
    return undefined;
  }
  try {
    return taken(work, row);
  } catch (error) {
    if (!(error instanceof FlujoError)) throw error;
    return { ...bareFiber(row), claimedAt: work.now, state: undecodable(error.message), messages: [] };
  }
}

function taken({ db, now }: Work, row: unknown): LeasedFiber {
  const fiber = fiberRecord(row);
  if (fiber.seq === 0) db.run(START_RUN, now, fiber.run); // only a root that never moved can be the first of its run
  const names = namesIn(row);
  stopAwaiting(db, fiber.run, fiber.key, names);
  const parentRun = parentIn(row);
  return {
    ...fiber,
    fingerprint: fingerprintIn(row, "fingerprint"),
    metadata: metadataIn(row),
    ...(parentRun && { parentRun }),
    claimedAt: now,
    messages: messagesNamed(db, fiber.run, names),
  };
}
