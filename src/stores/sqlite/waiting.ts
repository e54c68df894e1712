import { NO_CLAIMS, type RateState } from "../../ports/queue-rules.ts";
import type { Connection } from "./driver.ts";
import { numberIn, numberOrNull, rateIn, textIn, textOrNull } from "./rows.ts";

/*
 * Rows of governed queues that wait for their turn, and those that hold a place. A turn is a row's lane behind "=", or behind
 * "+" while the row waits in a lane that is listed (listed-lanes.ts): a walk over the lanes that are not passes over neither.
 */

const FIRST_TURN = "<"; // below every turn behind "="
const LAST_TURN = ">"; // above every one

/** The turn of rows that wait in a listed lane. Those that hold a place have the lane's own turn. */
export const listedTurn = (turn: string): string => `+${turn.slice(1)}`;

const WAITING = "owner IS NULL AND turn IS NOT NULL AND cancel IS NULL AND queue = ?1";
const PLACE = "owner IS NOT NULL AND turn IS NOT NULL AND queue = ?1";

/** Part of the turns in their order: behind `after`, up to `upto` itself. */
export interface Stretch {
  readonly after: string;
  readonly upto: string;
}

/** Each lane once, beginning behind the one that was served last and ending with it. */
export const stretchesFrom = (last: string): readonly Stretch[] =>
  last === ""
    ? [{ after: FIRST_TURN, upto: LAST_TURN }]
    : [
        { after: last, upto: LAST_TURN },
        { after: FIRST_TURN, upto: last },
      ];

/** A lane in which rows wait, as a walk meets it. */
export interface WaitingLane {
  readonly turn: string;
  /** Places that its rows hold, counted up to the limit of the lane. */
  readonly leased: number;
  /** What its rate remembers. Without claims unless it is listed. */
  readonly rate: RateState;
  /** Whether rows wait in the list, too: then these are to be moved there. */
  readonly inList: boolean;
  /** The best row of each definition that was asked for. */
  readonly best: readonly WaitingRow[];
}

export interface WaitingRow {
  readonly id: number;
  readonly priority: number;
  readonly readyAt: number;
}

const nextTurn = (after: string): string => `
    (SELECT turn FROM fibers INDEXED BY fibers_turns WHERE ${WAITING} AND turn > ${after} AND turn <= ?3 ORDER BY turn LIMIT 1)`;

/** One seek for each lane, and one for its best row of each of so many definitions: about 2 µs a lane. */
export const walkText = (definitions: number): string => `
  WITH RECURSIVE lane (turn) AS (
    SELECT ${nextTurn("?2")}
    UNION ALL
    SELECT ${nextTurn("lane.turn")} FROM lane WHERE lane.turn IS NOT NULL
    LIMIT ?4),
  seen AS MATERIALIZED (
    SELECT turn,
      (SELECT count(*) FROM (SELECT 1 FROM fibers INDEXED BY fibers_places WHERE ${PLACE} AND turn = lane.turn LIMIT ?5)) AS leased,
      (SELECT rate FROM queue_lanes WHERE queue = ?1 AND turn = lane.turn) AS rate
    FROM lane WHERE turn IS NOT NULL),
  wanted (fingerprint) AS (VALUES ${Array.from({ length: definitions }, (_, i) => `(?${i + 6})`).join(", ")})
  SELECT seen.turn, seen.leased, seen.rate,
    CASE WHEN seen.rate IS NOT NULL
      THEN EXISTS (SELECT 1 FROM fibers INDEXED BY fibers_turns WHERE ${WAITING} AND turn = '+' || substr(seen.turn, 2)) END AS in_list,
    fibers.id, fibers.priority, fibers.ready_at
  FROM seen CROSS JOIN wanted LEFT JOIN fibers ON fibers.id = (
    SELECT id FROM fibers INDEXED BY fibers_turns WHERE ${WAITING} AND turn = seen.turn AND fingerprint = wanted.fingerprint
    ORDER BY priority DESC, ready_at, id LIMIT 1)`;

const texts = new Map<number, string>();

function textFor(definitions: number): string {
  let text = texts.get(definitions);
  if (text === undefined) {
    text = walkText(definitions);
    texts.set(definitions, text);
  }
  return text;
}

export interface Walk {
  readonly queue: string;
  readonly fingerprints: readonly string[];
  /** Up to how many leased rows of a lane are counted. */
  readonly places: number;
  /** Lanes at once. Default: 1, then more and more. */
  readonly size?: number;
}

/** The lanes of a stretch of which rows wait that are not in the list. */
export function* walk(
  db: Connection,
  { queue, fingerprints, places, size: given }: Walk,
  { after, upto }: Stretch,
): Generator<WaitingLane> {
  let from = after;
  for (let size = given ?? 1; ; size = given ?? size * 4) {
    const rows = db.all(textFor(fingerprints.length), queue, from, upto, size, places, ...fingerprints);
    const lanes = rows.length / fingerprints.length;
    for (let i = 0; i < lanes; i++) {
      const ofLane = rows.slice(i * fingerprints.length, (i + 1) * fingerprints.length);
      const [row] = ofLane;
      from = textIn(row, "turn");
      yield {
        turn: from,
        leased: numberIn(row, "leased"),
        rate: textOrNull(row, "rate") === null ? NO_CLAIMS : rateIn(row),
        inList: numberOrNull(row, "in_list") === 1,
        best: ofLane.flatMap((row) => (numberOrNull(row, "id") === null ? [] : [waitingRow(row)])),
      };
    }
    if (lanes < size) return;
  }
}

const waitingRow = (row: unknown): WaitingRow => ({
  id: numberIn(row, "id"),
  priority: numberIn(row, "priority"),
  readyAt: numberIn(row, "ready_at"),
});

export const byUrgency = (a: WaitingRow, b: WaitingRow): number =>
  b.priority - a.priority || a.readyAt - b.readyAt || a.id - b.id;

const ANY_WAITING = `SELECT 1 AS yes FROM fibers INDEXED BY fibers_turns WHERE ${WAITING} AND turn = ?2 LIMIT 1`;

export const anyWaiting = (db: Connection, queue: string, turn: string): boolean =>
  db.get(ANY_WAITING, queue, turn) !== undefined;

const CLAIMABLE = `
  SELECT count(*) AS n FROM (SELECT 1 FROM fibers INDEXED BY fibers_turns
    WHERE ${WAITING} AND turn = ?2 AND fingerprint = ?3 LIMIT ?4)`;

/** How many wait there, up to a limit. */
export function claimable(
  db: Connection,
  { queue, turn, fingerprints, limit }: Pick<Walk, "queue" | "fingerprints"> & { turn: string; limit: number },
): number {
  let found = 0;
  for (const fingerprint of fingerprints) {
    if (found >= limit) break;
    found += numberIn(db.get(CLAIMABLE, queue, turn, fingerprint, limit - found), "n");
  }
  return found;
}

const BEST = `
  SELECT id, priority, ready_at FROM fibers INDEXED BY fibers_turns
  WHERE ${WAITING} AND turn = ?2 AND fingerprint = ?3 ORDER BY priority DESC, ready_at, id LIMIT ?4`;

export const bestOf = (
  db: Connection,
  { queue, turn, fingerprints, limit }: Pick<Walk, "queue" | "fingerprints"> & { turn: string; limit: number },
): readonly WaitingRow[] =>
  fingerprints
    .flatMap((fingerprint) => db.all(BEST, queue, turn, fingerprint, limit).map(waitingRow))
    .sort(byUrgency)
    .slice(0, limit);

/** Counted up to a limit: more than the rules admit need not be. */
const LEASED = `SELECT count(*) AS n FROM (SELECT 1 FROM fibers INDEXED BY fibers_places WHERE ${PLACE} LIMIT ?2)`;
const LEASED_IN_LANE = `
  SELECT count(*) AS n FROM (SELECT 1 FROM fibers INDEXED BY fibers_places WHERE ${PLACE} AND turn = ?2 LIMIT ?3)`;

export const leasedIn = (db: Connection, queue: string, limit: number | undefined): number =>
  limit === undefined ? 0 : numberIn(db.get(LEASED, queue, limit), "n");

export const leasedInLane = (db: Connection, queue: string, turn: string, limit: number | undefined): number =>
  limit === undefined ? 0 : numberIn(db.get(LEASED_IN_LANE, queue, turn, limit), "n");

const MOVE = `
  UPDATE fibers SET turn = ?3 WHERE id IN (SELECT id FROM fibers INDEXED BY fibers_turns WHERE ${WAITING} AND turn = ?2 LIMIT ?4)`;

/** Rows that wait in a lane that was listed move there, up to a limit; answers how many. */
export const moveToList = (db: Connection, queue: string, turn: string, limit: number): number =>
  db.run(MOVE, queue, turn, listedTurn(turn), limit);
