import { FlujoError } from "../../domain/errors.ts";
import type { RunRecord } from "../../domain/run.ts";
import type { ChildResult, CreateOutcome, FiberRecord, Lease, NewFiber, NewRun, Revival } from "../../ports/store.ts";
import { cannotStore, unplaceable } from "../../ports/new-run.ts";
import { insertBlobs, shareBlobs } from "./blobs.ts";
import type { Connection } from "./driver.ts";
import { isRowFault } from "./errors.ts";
import { insertEvent } from "./events.ts";
import { deliver } from "./messages.ts";
import { childResult, fiberRecord, numberOrNull, runRecord } from "./rows.ts";
import { EMPTY_ASIDE, EMPTY_CONTEXT, json, storable, storableOrNull } from "../../ports/stored-text.ts";
import type { Work } from "./work.ts";

const BUSY = "(fibers.owner IS NOT NULL OR fibers.wait IS NULL OR fibers.ready_at <= :now)";
const HUMAN = "json_extract(fibers.wait, '$.kind') = 'human'";
const ROOT = "fibers.run = runs.id AND fibers.key = '0' AND fibers.ended IS NULL";
const CHILDREN = "fibers.run = runs.id AND fibers.parent IS NOT NULL AND fibers.ended IS NULL"; // the index fibers_open
const anyFiber = (condition: string): string =>
  `EXISTS (SELECT 1 FROM fibers WHERE ${ROOT} AND ${condition})
   OR EXISTS (SELECT 1 FROM fibers INDEXED BY fibers_open WHERE ${CHILDREN} AND ${condition})`;

/** `waiting` and `paused` are read from the fibers, never stored, so that they cannot disagree. `now` is parameter ?1. */
export const STATUS: string = `
  CASE WHEN runs.status <> 'running' THEN runs.status
       WHEN ${anyFiber(BUSY)} THEN 'running'
       WHEN ${anyFiber(HUMAN)} THEN 'paused'
       ELSE 'waiting' END`.replaceAll(":now", "?1");

/** Columns of a run record; the computed status replaces the stored one. */
export const RUN_COLUMNS: string = `
  runs.id, runs.flow, runs.version, runs.fingerprint, ${STATUS} AS status, runs.parent_run, runs.parent_fiber, runs.reply,
  runs.cancel_reason, runs.created_at, runs.started_at, runs.ended_at, runs.metadata, runs.input, runs.output, runs.failure`;

export function loadRun(db: Connection, now: number, run: string): RunRecord | undefined {
  const row = db.get(`SELECT ${RUN_COLUMNS} FROM runs WHERE runs.id = ?2`, now, run);
  return row === undefined ? undefined : runRecord(row);
}

export const FIBER_COLUMNS: string = `
  fibers.*, coalesce(contexts.context, '${EMPTY_CONTEXT}') AS context, coalesce(contexts.aside, '${EMPTY_ASIDE}') AS aside`;

export const fibersOf = (db: Connection, run: string): readonly FiberRecord[] =>
  db
    .all(
      `SELECT ${FIBER_COLUMNS} FROM fibers LEFT JOIN contexts ON contexts.fiber = fibers.id WHERE run = ? ORDER BY key`,
      run,
    )
    .map(fiberRecord);

const CHILDREN_OF = `
  SELECT ${FIBER_COLUMNS} FROM fibers LEFT JOIN contexts ON contexts.fiber = fibers.id
  WHERE run = ? AND parent = ? AND fork = ? AND ended IS NOT NULL ORDER BY ordinal`;

export const childrenOf = (db: Connection, run: string, parent: string, fork: number): readonly ChildResult[] =>
  db.all(CHILDREN_OF, run, parent, fork).map(childResult);

const INSERT_FIBER = `
  INSERT INTO fibers (run, key, parent, fork, ordinal, fingerprint, queue, priority, lane, seq, owner, epoch, ready_at,
    deliveries, head, ended, state, value, turn)
  VALUES (?1, ?2, ?3, ?4, ?5, coalesce(?6, (SELECT fingerprint FROM runs WHERE id = ?1)), ?7, ?8, ?9, 0, ?10, ?11, ?12, 0, ?13, ?14, ?15, ?16, ?17)
  ON CONFLICT (run, key) DO NOTHING`;

export interface Birth {
  readonly run: string;
  readonly owner: Lease | undefined;
  readonly fingerprint?: string;
  /** Its first event, when one belongs to it. */
  readonly head?: number;
}

/** A key that exists is left alone. Answers whether the fiber had to be queued, since nothing is born leased into a governed queue. */
export function insertFiber(work: Work, fiber: NewFiber, { run, owner: wanted, fingerprint, head }: Birth): boolean {
  const { db } = work;
  const governed = work.isGoverned(fiber.queue);
  const queued = wanted !== undefined && governed;
  const owner = queued ? undefined : wanted;
  const readyAt = fiber.ended === undefined ? (queued ? work.now : fiber.readyAt) : null;
  const lane = storableOrNull(fiber.lane);
  const hasTurn = governed && owner === undefined && readyAt !== null && readyAt <= work.now;
  const inserted = db.run(
    INSERT_FIBER,
    run,
    fiber.key,
    fiber.parent ?? null,
    fiber.fork ?? null,
    fiber.ordinal ?? null,
    fingerprint ?? null,
    storable(fiber.queue),
    fiber.priority,
    lane,
    owner?.worker ?? null,
    owner?.epoch ?? null,
    readyAt,
    head ?? null,
    fiber.ended ?? null,
    json(fiber.state),
    json(fiber.value),
    hasTurn ? `=${lane ?? ""}` : null,
  );
  if (inserted === 0) return false;
  const [context, aside] = [json(fiber.context), json(fiber.aside)];
  if (context !== EMPTY_CONTEXT || aside !== EMPTY_ASIDE) {
    db.run(
      "INSERT INTO contexts (fiber, context, aside) SELECT id, ?, ? FROM fibers WHERE run = ? AND key = ?",
      context,
      aside,
      run,
      fiber.key,
    );
  }
  if (owner === undefined && fiber.ended === undefined) work.noteReady();
  return queued;
}

/** The lease, if its worker is alive under that epoch. */
export function currentLease(db: Connection, lease: Lease | undefined): Lease | undefined {
  if (lease === undefined) return undefined;
  return db.get("SELECT 1 AS yes FROM workers WHERE id = ? AND epoch = ?", lease.worker, lease.epoch) === undefined
    ? undefined
    : lease;
}

const INSERT_RUN = `
  INSERT INTO runs (id, flow, version, fingerprint, status, parent_run, parent_fiber, reply, created_at, started_at, metadata, input)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (id) DO NOTHING`;

/** Whether the run is new, and whether its root was born leased. */
export function insertRun(work: Work, run: NewRun): { readonly created: boolean; readonly leased: boolean } {
  const { db, now } = work;
  const wanted = run.root.leased ? currentLease(db, run.lease) : undefined;
  const owner = wanted !== undefined && work.isGoverned(run.root.queue) ? undefined : wanted;
  const created = db.run(
    INSERT_RUN,
    run.id,
    storable(run.flow),
    storable(run.version),
    run.fingerprint,
    owner === undefined ? "pending" : "running",
    run.parent?.run ?? null,
    run.parent?.fiber ?? null,
    storableOrNull(run.parent?.reply),
    run.createdAt,
    owner === undefined ? null : now,
    json(run.metadata),
    json(run.input),
  );
  if (created === 0) return { created: false, leased: false };
  const prev = continueHistory(work, run);
  const seq = work.nextEvent();
  const facts = json(run.event.facts);
  insertEvent(db, {
    seq,
    prev,
    run: run.id,
    fiber: run.root.key,
    worker: owner?.worker ?? null,
    at: run.event.at,
    facts,
  });
  insertFiber(work, run.root, { run: run.id, owner: wanted, fingerprint: run.fingerprint, head: seq });
  for (const fiber of run.continued?.fibers ?? []) insertFiber(work, fiber, { run: run.id, owner: undefined });
  for (const message of run.continued?.messages ?? []) deliver(work, message);
  for (const [name, value] of Object.entries(run.metadata)) {
    db.run(
      "INSERT INTO run_metadata (name, value, created_at, run) VALUES (?, ?, ?, ?)",
      storable(name),
      json(value),
      run.createdAt,
      run.id,
    );
  }
  insertBlobs(db, run.id, run.blobs);
  shareBlobs(db, run.id, [json(run.input), json(run.root), facts, json(run.continued ?? null)]);
  return { created: true, leased: owner !== undefined };
}

/** The events that a fork brings along, as one chain whatever fiber they are of; answers its end. */
function continueHistory(work: Work, { id, continued }: NewRun): number | null {
  let prev: number | null = null;
  for (const { fiber, at, facts } of continued?.events ?? []) {
    const seq = work.nextEvent();
    insertEvent(work.db, { seq, prev, run: id, fiber, worker: null, at, facts: json(facts) });
    prev = seq;
  }
  return prev;
}

/** One of a batch, which is one transaction: what cannot be stored is taken back alone. */
export function createRun(work: Work, run: NewRun): CreateOutcome {
  const { db } = work;
  const unplaced = unplaceable(run);
  if (unplaced !== undefined) return { status: "rejected", error: unplaced };
  db.run("SAVEPOINT start");
  const outcome = insertOrFind(work, run);
  if (outcome.status === "rejected") db.run("ROLLBACK TO start");
  db.run("RELEASE start");
  return outcome;
}

function insertOrFind(work: Work, run: NewRun): CreateOutcome {
  try {
    const { created, leased } = insertRun(work, run);
    if (created) return { status: "created", leased };
    const known = loadRun(work.db, work.now, run.id);
    if (known === undefined) throw new Error(`the run ${run.id} exists but cannot be read`);
    return { status: "exists", run: known };
  } catch (error) {
    if (error instanceof FlujoError) return { status: "rejected", error }; // the run that is there cannot be decoded
    if (!isRowFault(error)) throw error;
    return { status: "rejected", error: cannotStore(run.id, error instanceof Error ? error.message : "?", error) };
  }
}

const REOPEN_RUN = `
  UPDATE runs SET status = 'running', output = NULL, failure = NULL, ended_at = NULL, cancel_reason = NULL, head = ?
  WHERE id = ?`;

export function revive(
  work: Work,
  { run, fibers, event, messages, blobs }: Revival,
): "revived" | "not-ended" | "unknown" {
  const { db } = work;
  const row = db.get("SELECT ended_at, head FROM runs WHERE id = ?", run);
  if (row === undefined) return "unknown";
  if (numberOrNull(row, "ended_at") === null) return "not-ended";
  const seq = work.nextEvent();
  const [first] = fibers;
  const facts = json(event.facts);
  insertEvent(db, {
    seq,
    prev: numberOrNull(row, "head"),
    run,
    fiber: first?.key ?? "0",
    worker: null,
    at: event.at,
    facts,
  });
  // The events so far hang on the revival, and the revival on the first fiber; without one the run itself keeps them.
  db.run(REOPEN_RUN, first === undefined ? seq : null, run);
  insertBlobs(db, run, blobs);
  shareBlobs(db, run, [facts, json(fibers)]);
  for (const fiber of fibers)
    insertFiber(work, fiber, { run, owner: undefined, ...(fiber === first && { head: seq }) });
  for (const message of messages) deliver(work, message);
  work.noteRun(run);
  return "revived";
}
