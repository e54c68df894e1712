import { emptyAt, NO_CLAIMS, type RateState } from "../../ports/queue-rules.ts";
import { json } from "../../ports/stored-text.ts";
import type { Connection } from "./driver.ts";
import { numberIn, rateIn, textIn } from "./rows.ts";
import { listedTurn, type Stretch } from "./waiting.ts";

/*
 * Lanes that a claim found full or without room in its rate, and those whose rate remembers claims, are listed. A listed lane is
 * looked at again when its time comes or a place of it is freed (triggers of the schema see to that), and by nobody before: with
 * 10,000 full lanes, of which each was counted by each claim, a claim took 36 ms. Most lanes never are listed and cost nothing
 * here: to list each lane in which a row waits, and to forget it again, took half as long as the run itself.
 *
 * A lane that is listed for its rate only has no rows in the list: they are met where rows wait, like those of other lanes, and
 * nobody looks at the lane before it is forgotten. To move each row and to look at each lane was an eighth of the run.
 */

export interface ListedLane {
  readonly turn: string;
  readonly rate: RateState;
}

const LIST = `
  INSERT INTO queue_lanes (queue, turn, opens_at, rate) VALUES (?, ?, ?, ?)
  ON CONFLICT (queue, turn) DO UPDATE SET opens_at = excluded.opens_at, forget_at = NULL`;

/** Nothing can be taken of it before `until`; undefined = before a place is freed. */
export const closeLane = (db: Connection, queue: string, turn: string, until: number | undefined): void =>
  void db.run(LIST, queue, turn, until ?? null, NO_CLAIMS_JSON);

const NO_CLAIMS_JSON = json(NO_CLAIMS);

const OPEN = "UPDATE queue_lanes SET opens_at = 0, forget_at = NULL WHERE queue = ? AND turn = ?";

/** There is room for what waits in the list. */
export const openLane = (db: Connection, queue: string, turn: string): void => void db.run(OPEN, queue, turn);

const KEEP_RATE = `
  INSERT INTO queue_lanes (queue, turn, opens_at, forget_at, rate) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (queue, turn)
  DO UPDATE SET opens_at = excluded.opens_at, forget_at = excluded.forget_at, rate = excluded.rate`;

/** What its rate remembers, and when to look at what waits in the list: undefined = nothing does. */
export const keepRate = (
  db: Connection,
  queue: string,
  { turn, rate }: ListedLane,
  opensAt: number | undefined,
): void =>
  void db.run(KEEP_RATE, queue, turn, opensAt ?? null, opensAt === undefined ? emptyAt(rate) : null, json(rate));

export const FORGET: string = `
  DELETE FROM queue_lanes WHERE queue = ?1 AND turn IN (
    SELECT turn FROM queue_lanes INDEXED BY queue_lanes_idle WHERE forget_at IS NOT NULL AND queue = ?1 AND forget_at <= ?2 LIMIT ?3)`;

/** Lanes for which nothing waits in the list, and whose rates have nothing left to remember. */
export const forgetLanes = (db: Connection, queue: string, now: number, limit: number): void =>
  void db.run(FORGET, queue, now, limit);

/** Lanes to look at, in the order of turns. */
export const OPEN_LANES: string = `
  SELECT turn, rate FROM queue_lanes INDEXED BY queue_lanes_turns
  WHERE opens_at IS NOT NULL AND queue = ? AND turn > ? AND turn <= ? AND opens_at <= ? ORDER BY turn LIMIT ?`;

const PAGE = 100; // lanes per statement, unless fewer are enough

export function* openLanes(
  db: Connection,
  { queue, now, size }: { readonly queue: string; readonly now: number; readonly size: number },
  { after, upto }: Stretch,
): Generator<ListedLane> {
  const limit = Math.min(size, PAGE);
  for (let from = after; ; ) {
    const page = db.all(OPEN_LANES, queue, from, upto, now, limit);
    for (const row of page) {
      from = textIn(row, "turn");
      yield { turn: from, rate: rateIn(row) };
    }
    if (page.length < limit) return;
  }
}

export const OPENING_LANES: string = `
  SELECT turn, rate, opens_at FROM queue_lanes INDEXED BY queue_lanes_opening
  WHERE opens_at IS NOT NULL AND queue = ? ORDER BY opens_at, turn LIMIT ? OFFSET ?`;

/** Lanes that are not closed until a place is freed, by when to look at them. */
export function* openingLanes(
  db: Connection,
  queue: string,
): Generator<ListedLane & { readonly waiting: string; readonly opensAt: number }> {
  for (let seen = 0; ; seen += PAGE) {
    const page = db.all(OPENING_LANES, queue, PAGE, seen);
    for (const row of page) {
      const turn = textIn(row, "turn");
      yield { turn, waiting: listedTurn(turn), rate: rateIn(row), opensAt: numberIn(row, "opens_at") };
    }
    if (page.length < PAGE) return;
  }
}
