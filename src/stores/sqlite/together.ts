import type { Transition } from "../../ports/store.ts";
import type { SqlValue } from "./driver.ts";
import type { Encoded } from "./encode.ts";
import { isRowFault } from "./errors.ts";
import type { Work } from "./work.ts";

/**
 * Transitions written by one pair of statements. Half of a single write is the way into the driver and back: in batches of
 * 100, ten rows per statement cost 8.8 µs of CPU per transition, single rows 12.6 µs. With 25 rows nothing more is won.
 */
export const TOGETHER = 10;

export interface Ready {
  readonly index: number;
  readonly transition: Transition;
  readonly encoded: Encoded;
}

const rows = (columns: string): string => Array.from({ length: TOGETHER }, () => columns).join(", ");

// CROSS JOIN fixes the order of the loops: values outside, one lookup by (run, key) inside.
export const INSERT_EVENTS_FENCED: string = `
  WITH given (seq, at, facts, run, key, owner, epoch, expected) AS (VALUES ${rows("(?, ?, ?, ?, ?, ?, ?, ?)")})
  INSERT INTO events (seq, prev, run, fiber, worker, at, facts)
  SELECT given.seq, fibers.head, fibers.run, fibers.key, fibers.owner, given.at, given.facts
  FROM given CROSS JOIN fibers ON fibers.run = given.run AND fibers.key = given.key
    AND fibers.owner = given.owner AND fibers.epoch = given.epoch AND fibers.seq = given.expected`;

export const UPDATE_FIBERS: string = `
  WITH given (state, value, head, run, key) AS (VALUES ${rows("(?, ?, ?, ?, ?)")})
  UPDATE fibers SET seq = seq + 1, deliveries = 0, names = NULL, wait = NULL,
    state = given.state, value = given.value, head = given.head
  FROM given WHERE fibers.run = given.run AND fibers.key = given.key`;

/** The shape that most steps have: the fiber stays held, a new value, an event, nothing else. */
export const fitsTogether = ({ acknowledgeCancel }: Transition, { value, facts, context, aside }: Encoded): boolean =>
  value !== undefined &&
  facts !== undefined &&
  context === undefined &&
  aside === undefined &&
  acknowledgeCancel !== true;

/**
 * Writes all of a full group, whose fibers differ, or nothing of it: false when a fence does not hold or a row cannot be
 * stored. The caller then takes them one by one and learns which.
 */
export function writeTogether(work: Work, group: readonly Ready[]): boolean {
  const { db } = work;
  const before = work.nextEvent();
  const events: SqlValue[] = [];
  const fibers: SqlValue[] = [];
  for (const { transition, encoded } of group) {
    const { run, fiber, lease, expectedSeq, event } = transition;
    const seq = work.nextEvent();
    events.push(seq, event?.at ?? 0, encoded.facts ?? null, run, fiber, lease.worker, lease.epoch, expectedSeq);
    fibers.push(encoded.state, encoded.value ?? null, seq, run, fiber);
  }
  try {
    if (db.run(INSERT_EVENTS_FENCED, ...events) === group.length && db.run(UPDATE_FIBERS, ...fibers) === group.length) {
      return true;
    }
  } catch (error) {
    if (!isRowFault(error)) throw error;
  }
  db.run("DELETE FROM events WHERE seq > ?", before); // a statement that fails is undone by SQLite; the one before it is not
  return false;
}
