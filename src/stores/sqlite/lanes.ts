import {
  admit,
  emptyAt,
  type LaneRules,
  type LaneView,
  type Offered,
  type QueueRules,
  type RateState,
  roomAt,
  roomOf,
} from "../../ports/queue-rules.ts";
import type { ClaimRequest } from "../../ports/queue.ts";
import type { Connection } from "./driver.ts";
import { dueFibers, nextFree } from "./ready.ts";
import { numberIn, rateIn, textIn } from "./rows.ts";
import { closeLane, dropLane, type Governed, openLane } from "./rules.ts";
import type { Work } from "./work.ts";

/*
 * How a governed queue is claimed. A row that is due gets a mark (`turn`: its lane behind a "=") by the first claim that finds
 * it; the mark moves it from the index of free rows to `fibers_turns`, and while it is leased to `fibers_places`, which counts.
 * It loses the mark when it leaves. So a row is stored without knowing whether its queue is governed, one that was parked
 * before there were rules is seen when it is due, and in free queues nothing is written twice.
 *
 * `queue_lanes` lists the lanes in which marked rows wait. A claim looks at open ones, in the order of turns, until it has what
 * it wants, and closes those that cannot be served until something changes: with 10,000 full lanes, of which each was counted
 * by each claim, a claim took 36 ms; now it walks over none of them.
 */

type Wanted = Pick<ClaimRequest, "fingerprints">;

/** Rows that one claim marks: so many take about 5 ms, in which the process does nothing else. */
const MARKED_AT_ONCE = 500;

const MARK = "UPDATE fibers SET turn = '=' || coalesce(lane, '') WHERE id = ? RETURNING turn";

/** Whether a row is due that no claim has seen yet. */
export const anyUnseen = (db: Connection, { rules }: Governed, { fingerprints }: Wanted, now: number): boolean =>
  dueFibers(db, { queues: [rules.queue], fingerprints }, now, 1).length > 0;

/** Before it waits for its turn, or is leased without one: its place counts. */
export const markOne = (db: Connection, id: number): string => textIn(db.get(MARK, id), "turn");

/** Answers whether there may be more. */
export function mark(db: Connection, { rules }: Governed, { fingerprints }: Wanted, now: number): boolean {
  const unseen = dueFibers(db, { queues: [rules.queue], fingerprints }, now, MARKED_AT_ONCE);
  for (const turn of new Set(unseen.map(({ id }) => markOne(db, id)))) openLane(db, rules.queue, turn);
  return unseen.length === MARKED_AT_ONCE;
}

const STOPPING = `
  SELECT id, priority, ready_at FROM fibers INDEXED BY fibers_cancelled
  WHERE owner IS NULL AND cancel IS NOT NULL AND queue = ? AND fingerprint = ? AND ended IS NULL
  ORDER BY priority DESC, ready_at, id LIMIT ?`;

/** Counted up to a limit: more than the rules admit need not be. */
const LEASED = `
  SELECT count(*) AS n FROM (SELECT 1 FROM fibers INDEXED BY fibers_places
    WHERE owner IS NOT NULL AND turn IS NOT NULL AND queue = ? LIMIT ?)`;
const LEASED_IN_LANE = `
  SELECT count(*) AS n FROM (SELECT 1 FROM fibers INDEXED BY fibers_places
    WHERE owner IS NOT NULL AND turn IS NOT NULL AND queue = ? AND turn = ? LIMIT ?)`;

const leasedIn = (db: Connection, { queue, concurrency }: QueueRules): number =>
  concurrency === undefined ? 0 : numberIn(db.get(LEASED, queue, concurrency), "n");

const leasedInLane = (db: Connection, { concurrency }: LaneRules, queue: string, turn: string): number =>
  concurrency === undefined ? 0 : numberIn(db.get(LEASED_IN_LANE, queue, turn, concurrency), "n");

/** Lanes to look at, in the order of turns. */
export const OPEN_LANES: string = `
  SELECT turn, rate, turn > ?3 AS beyond FROM queue_lanes INDEXED BY queue_lanes_turns
  WHERE opens_at IS NOT NULL AND queue = ?1 AND turn > ?2 AND opens_at <= ?4 ORDER BY turn LIMIT ?5`;

const PAGE = 100; // lanes per statement, unless fewer are enough
const NEVER = Number.POSITIVE_INFINITY;

interface OpenLane {
  readonly turn: string;
  readonly rate: RateState;
}

/** From the one after the last that was served, round to that one. */
function* openLanes(
  db: Connection,
  { rules, last }: Governed,
  { now, size }: { readonly now: number; readonly size: number },
): Generator<OpenLane> {
  for (const start of last === "" ? [""] : [last, ""]) {
    let from = start;
    for (;;) {
      const page = db.all(OPEN_LANES, rules.queue, from, last, now, size);
      for (const row of page) {
        if (start !== last && numberIn(row, "beyond") === 1) return;
        from = textIn(row, "turn");
        yield { turn: from, rate: rateIn(row) };
      }
      if (page.length < size) break;
    }
  }
}

const WAITING = "owner IS NULL AND turn IS NOT NULL AND cancel IS NULL AND queue = ? AND turn = ?";

const ANY_WAITING = `SELECT 1 AS yes FROM fibers INDEXED BY fibers_turns WHERE ${WAITING} LIMIT 1`;
const CLAIMABLE = `
  SELECT count(*) AS n FROM (SELECT 1 FROM fibers INDEXED BY fibers_turns WHERE ${WAITING} AND fingerprint = ? LIMIT ?)`;

function claimable(db: Connection, queue: string, turn: string, wanted: Wanted & { readonly limit: number }): number {
  let found = 0;
  for (const fingerprint of wanted.fingerprints) {
    if (found >= wanted.limit) break;
    found += numberIn(db.get(CLAIMABLE, queue, turn, fingerprint, wanted.limit - found), "n");
  }
  return found;
}

/** A row that a claim may take. Without a turn it is outside the rules. */
export interface Candidate extends Offered {
  readonly id: number;
  readonly turn?: string;
}

const candidate = (row: unknown, turn?: string): Candidate => ({
  id: numberIn(row, "id"),
  priority: numberIn(row, "priority"),
  readyAt: numberIn(row, "ready_at"),
  ...(turn !== undefined && { turn }),
});

const byUrgency = (a: Candidate, b: Candidate): number =>
  b.priority - a.priority || a.readyAt - b.readyAt || a.id - b.id;

type Asked = Wanted & { readonly limit: number };

/** What a governed queue has for a claim, in the order of turns. Closes the lanes that have nothing to give. */
export function offer(work: Work, governed: Governed, asked: Asked): readonly Candidate[] {
  const { db, now } = work;
  const { rules, rate } = governed;
  const { fingerprints, limit } = asked;
  const stopping = fingerprints
    .flatMap((fingerprint) => db.all(STOPPING, rules.queue, fingerprint, limit).map((row) => candidate(row)))
    .sort(byUrgency);
  const leased = leasedIn(db, rules);
  if (roomOf(rules, { leased, rate }, now) <= 0) return stopping;
  const lanes: LaneView[] = [];
  for (const lane of openLanes(db, governed, { now, size: Math.min(limit, PAGE) })) {
    const view = look(work, rules, lane, asked);
    if (view !== undefined) lanes.push(view);
    if (lanes.length === limit) break; // one of each fills the claim
  }
  return [...stopping, ...inTurn(db, rules.queue, fingerprints, admit(rules, { leased, rate, lanes }, limit, now))];
}

/** What an open lane has to give. It stays open if what waits there is only not for this worker. */
function look(
  { db, now }: Work,
  { queue, lane: rules = {} }: QueueRules,
  { turn, rate }: OpenLane,
  { fingerprints, limit }: Asked,
): LaneView | undefined {
  if (db.get(ANY_WAITING, queue, turn) === undefined) {
    const until = emptyAt(rate); // a lane that idles for a period needs no state
    if (until > now) closeLane(db, queue, turn, until);
    else dropLane(db, queue, turn);
    return undefined;
  }
  const leased = leasedInLane(db, rules, queue, turn);
  const room = Math.min(limit, roomOf(rules, { leased, rate }, now));
  if (room <= 0) {
    const isFull = leased >= (rules.concurrency ?? NEVER);
    closeLane(db, queue, turn, isFull || rules.rate === undefined ? undefined : roomAt(rules.rate, rate, now));
    return undefined;
  }
  const found = claimable(db, queue, turn, { fingerprints, limit: room });
  return found === 0 ? undefined : { lane: turn, claimable: found, leased, rate };
}

const BEST_OF_LANE = `
  SELECT id, priority, ready_at FROM fibers INDEXED BY fibers_turns
  WHERE ${WAITING} AND fingerprint = ? ORDER BY priority DESC, ready_at, id LIMIT ?`;

/** The best rows of the lanes that were admitted: the first of each, then the second of each. */
function inTurn(
  db: Connection,
  queue: string,
  fingerprints: readonly string[],
  admitted: ReadonlyMap<string, number>,
): readonly Candidate[] {
  const rows = [...admitted].map(([turn, count]) =>
    fingerprints
      .flatMap((fingerprint) =>
        db.all(BEST_OF_LANE, queue, turn, fingerprint, count).map((row) => candidate(row, turn)),
      )
      .sort(byUrgency)
      .slice(0, count),
  );
  const rounds = Math.max(0, ...admitted.values());
  return Array.from({ length: rounds }, (_, round) => rows.flatMap((lane) => lane[round] ?? [])).flat();
}

const anyStopping = (db: Connection, { rules }: Governed, { fingerprints }: Wanted): boolean =>
  fingerprints.some((fingerprint) => db.get(STOPPING, rules.queue, fingerprint, 1) !== undefined);

export const OPENING_LANES: string = `
  SELECT turn, rate, opens_at FROM queue_lanes INDEXED BY queue_lanes_opening
  WHERE opens_at IS NOT NULL AND queue = ? ORDER BY opens_at, turn LIMIT ? OFFSET ?`;

/** Lanes that are not closed until a place is freed, by when to look at them. */
function* openingLanes(db: Connection, queue: string): Generator<OpenLane & { readonly opensAt: number }> {
  for (let seen = 0; ; seen += PAGE) {
    const page = db.all(OPENING_LANES, queue, PAGE, seen);
    for (const row of page) yield { turn: textIn(row, "turn"), rate: rateIn(row), opensAt: numberIn(row, "opens_at") };
    if (page.length < PAGE) return;
  }
}

/** Whether a claim is worth a try: it finds something, or closes a lane that looks open. */
export function mayGive(db: Connection, governed: Governed, wanted: Wanted, now: number): boolean {
  if (anyUnseen(db, governed, wanted, now) || anyStopping(db, governed, wanted)) return true;
  const { rules, rate } = governed;
  if (roomOf(rules, { leased: leasedIn(db, rules), rate }, now) <= 0) return false;
  for (const { turn, opensAt } of openingLanes(db, rules.queue)) {
    if (opensAt > now) break;
    if (claimable(db, rules.queue, turn, { ...wanted, limit: 1 }) > 0) return true;
  }
  return false;
}

/** When a claim can take something of a governed queue, if not only a freed place can help. */
export function nextGoverned(db: Connection, governed: Governed, wanted: Wanted, now: number): number {
  const { rules, rate } = governed;
  if (anyStopping(db, governed, wanted)) return now;
  const future = nextFree(db, { ...wanted, queues: [rules.queue] }) ?? NEVER;
  if (leasedIn(db, rules) >= (rules.concurrency ?? NEVER)) return future;
  const queueAt = rules.rate === undefined ? now : roomAt(rules.rate, rate, now);
  return Math.min(future, Math.max(queueAt, nextLane(db, governed, wanted, now)));
}

/** When the first lane with a free place has room in its rate, too. */
function nextLane(db: Connection, { rules }: Governed, wanted: Wanted, now: number): number {
  const { queue, lane = {} } = rules;
  let next = NEVER;
  for (const { turn, rate, opensAt } of openingLanes(db, queue)) {
    if (opensAt >= next || next <= now) break;
    const at = lane.rate === undefined ? now : roomAt(lane.rate, rate, now);
    if (at >= next || leasedInLane(db, lane, queue, turn) >= (lane.concurrency ?? NEVER)) continue;
    if (claimable(db, queue, turn, { ...wanted, limit: 1 }) > 0) next = at;
  }
  return next;
}
