import { NO_CLAIMS, type RateState } from "../../ports/queue-rules.ts";
import { json } from "../../ports/stored-text.ts";
import type { Connection } from "./driver.ts";
import { numberIn, rateIn, textIn } from "./rows.ts";
import { listedTurn, type Stretch } from "./waiting.ts";

/*
 * Lanes that a claim found full or without room in its rate, and those whose rate remembers claims, are listed. A listed lane is
 * looked at again when its time comes or a place of it is freed (triggers of the schema see to that), and by nobody before: with
 * 10,000 full lanes, of which each was counted by each claim, a claim took 36 ms. Most lanes never are listed and cost nothing
 * here: to list each lane in which a row waits, and to forget it again, took half as long as the run itself.
 */

export interface ListedLane {
  readonly turn: string;
  readonly rate: RateState;
}

const LIST = `
  INSERT INTO queue_lanes (queue, turn, opens_at, rate) VALUES (?, ?, ?, ?)
  ON CONFLICT (queue, turn) DO UPDATE SET opens_at = excluded.opens_at`;

/** Nothing can be taken of it before `until`; undefined = before a place is freed. */
export const closeLane = (db: Connection, queue: string, turn: string, until: number | undefined): void =>
  void db.run(LIST, queue, turn, until ?? null, NO_CLAIMS_JSON);

const NO_CLAIMS_JSON = json(NO_CLAIMS);

const LOOK_NOW = "UPDATE queue_lanes SET opens_at = 0 WHERE queue = ? AND turn = ? AND opens_at IS NOT NULL";

/** Rows came to it. Answers whether it may have something now: if it is full it stays closed. */
export const lookNow = (db: Connection, queue: string, turn: string): boolean => db.run(LOOK_NOW, queue, turn) > 0;

/** Nothing waits in it, and there is nothing to remember. */
export const dropLane = (db: Connection, queue: string, turn: string): void =>
  void db.run("DELETE FROM queue_lanes WHERE queue = ? AND turn = ?", queue, turn);

const RATE = "SELECT rate FROM queue_lanes WHERE queue = ? AND turn = ?";
const KEEP_RATE = `
  INSERT INTO queue_lanes (queue, turn, opens_at, rate) VALUES (?, ?, ?, ?)
  ON CONFLICT (queue, turn) DO UPDATE SET opens_at = excluded.opens_at, rate = excluded.rate`;

export function rateOf(db: Connection, queue: string, turn: string): RateState {
  const row = db.get(RATE, queue, turn);
  return row === undefined ? NO_CLAIMS : rateIn(row);
}

export const keepRate = (db: Connection, queue: string, { turn, rate }: ListedLane, opensAt: number): void =>
  void db.run(KEEP_RATE, queue, turn, opensAt, json(rate));

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
