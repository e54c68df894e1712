import type { EventRecord } from "../../ports/store.ts";
import type { Connection } from "./driver.ts";
import { eventRecord } from "./rows.ts";

/** Sequence numbers of a run's events after ?2: from the last event of each fiber back along `prev`. */
export const CHAIN_OF_RUN = `
  WITH RECURSIVE
    heads (seq) AS (
      SELECT head FROM runs WHERE id = ?1
      UNION ALL SELECT head FROM fibers WHERE run = ?1
      UNION ALL SELECT head FROM chains WHERE run = ?1
    ),
    chain (seq) AS (
      SELECT seq FROM heads WHERE seq > ?2
      UNION ALL
      SELECT events.prev FROM chain JOIN events ON events.seq = chain.seq WHERE events.prev > ?2
    )`;

const HISTORY = `${CHAIN_OF_RUN}
  SELECT seq, fiber, worker, at, facts FROM events
  WHERE seq IN (SELECT seq FROM chain ORDER BY seq LIMIT ?3)
  ORDER BY seq`;

const DELETE_HISTORY = `DELETE FROM events WHERE seq IN (${CHAIN_OF_RUN} SELECT seq FROM chain)`;

const NO_LIMIT = -1;

export function history(db: Connection, run: string, after: number, limit: number | undefined): readonly EventRecord[] {
  return db.all(HISTORY, run, after, limit ?? NO_LIMIT).map(eventRecord);
}

export function deleteHistory(db: Connection, run: string): void {
  db.run(DELETE_HISTORY, run, 0);
}

const INSERT_EVENT = "INSERT INTO events (seq, prev, run, fiber, worker, at, facts) VALUES (?, ?, ?, ?, ?, ?, ?)";

export interface EventToInsert {
  readonly seq: number;
  readonly prev: number | null;
  readonly run: string;
  readonly fiber: string;
  readonly worker: string | null;
  readonly at: number;
  readonly facts: string;
}

export function insertEvent(db: Connection, { seq, prev, run, fiber, worker, at, facts }: EventToInsert): void {
  db.run(INSERT_EVENT, seq, prev, run, fiber, worker, at, facts);
}
