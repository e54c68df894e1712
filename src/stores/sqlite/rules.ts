import {
  afterClaims,
  isGoverned,
  NO_CLAIMS,
  type QueueRules,
  type RateState,
  roomAt,
} from "../../ports/queue-rules.ts";
import { json } from "../../ports/stored-text.ts";
import type { Connection } from "./driver.ts";
import type { Lane } from "./lanes.ts";
import { keepRate } from "./listed-lanes.ts";
import { queueRulesIn, rateIn, textIn } from "./rows.ts";
import type { Work } from "./work.ts";

/** A governed queue as it is kept: its rules, the claims of its rate, and the turn that was served last. */
export interface Governed {
  readonly rules: QueueRules;
  readonly rate: RateState;
  readonly last: string;
}

/** All of them: there are few, and mostly none. */
export const allGoverned = (db: Connection): readonly Governed[] =>
  db
    .all("SELECT queue, rules, rate, last FROM queue_rules ORDER BY queue")
    .map((row) => ({ rules: queueRulesIn(row), rate: rateIn(row), last: textIn(row, "last") }));

const UPSERT_RULES = `
  INSERT INTO queue_rules (queue, rules, rate, last) VALUES (?, ?, ?, '')
  ON CONFLICT (queue) DO UPDATE SET rules = excluded.rules`;
const OPEN_ALL = "UPDATE queue_lanes SET opens_at = 0 WHERE queue = ? AND forget_at IS NULL"; // the new rules say which are full
const MARK_LEASED = `
  UPDATE fibers INDEXED BY fibers_held SET turn = '=' || coalesce(lane, '')
  WHERE owner IS NOT NULL AND turn IS NULL AND queue = ?`;
const UNMARK: readonly string[] = [
  "UPDATE fibers INDEXED BY fibers_places SET turn = NULL WHERE owner IS NOT NULL AND turn IS NOT NULL AND queue = ?",
  `UPDATE fibers INDEXED BY fibers_turns SET turn = NULL
   WHERE owner IS NULL AND turn IS NOT NULL AND cancel IS NULL AND queue = ?`,
  "UPDATE fibers INDEXED BY fibers_cancelled SET turn = NULL WHERE owner IS NULL AND cancel IS NOT NULL AND queue = ?",
];

export function putRules(work: Work, rules: readonly QueueRules[]): void {
  const { db } = work;
  for (const one of rules) {
    if (isGoverned(one)) {
      db.run(UPSERT_RULES, one.queue, json(one), json(NO_CLAIMS));
      db.run(OPEN_ALL, one.queue);
      db.run(MARK_LEASED, one.queue);
    } else {
      for (const sql of UNMARK) db.run(sql, one.queue);
      db.run("DELETE FROM queue_rules WHERE queue = ?", one.queue);
      db.run("DELETE FROM queue_lanes WHERE queue = ?", one.queue);
    }
  }
  work.noteReady();
}

const SERVED = "UPDATE queue_rules SET rate = ?, last = ? WHERE queue = ?";
/** Remembers which lanes were served, in this order: for the rates, and for whose turn is next. */
export function charge({ db, now }: Work, { rules, rate }: Governed, served: readonly Lane[]): void {
  const last = served.at(-1);
  if (last === undefined) return;
  const { queue } = rules;
  const after = rules.rate === undefined ? rate : afterClaims(rules.rate, rate, { now, claims: served.length });
  db.run(SERVED, json(after), last.lane, queue);
  const laneRate = rules.lane?.rate;
  if (laneRate === undefined) return;
  const claims = new Map<Lane, number>();
  for (const lane of served) claims.set(lane, (claims.get(lane) ?? 0) + 1);
  for (const [lane, count] of claims) {
    const state = afterClaims(laneRate, lane.rate, { now, claims: count });
    const opensAt = lane.waiting === lane.lane ? undefined : roomAt(laneRate, state, now);
    keepRate(db, queue, { turn: lane.lane, rate: state }, opensAt);
  }
}
