import { admit, type LaneView, type Offered, type QueueRules, roomAt, roomOf } from "../../ports/queue-rules.ts";
import type { ClaimRequest } from "../../ports/queue.ts";
import type { Connection } from "./driver.ts";
import {
  closeLane,
  forgetLanes,
  keepRate,
  type ListedLane,
  openingLanes,
  openLane,
  openLanes,
} from "./listed-lanes.ts";
import { dueFibers, nextFree } from "./ready.ts";
import { numberIn } from "./rows.ts";
import type { Governed } from "./rules.ts";
import {
  anyWaiting,
  bestOf,
  byUrgency,
  claimable,
  leasedIn,
  leasedInLane,
  listedTurn,
  moveToList,
  stretchesFrom,
  type WaitingLane,
  type WaitingRow,
  walk,
} from "./waiting.ts";
import type { Work } from "./work.ts";

/*
 * How a governed queue is claimed. A row that is due has a turn: from its birth, or from the first claim that finds it. The turn
 * moves it from the index of free rows to `fibers_turns`, and while it is leased to `fibers_places`, which counts. It loses the
 * turn when it leaves. So a row that was parked before there were rules is seen when it is due, and in free queues nothing is
 * written twice. A claim goes through the lanes in the order of turns until it has what it wants: it walks over those in which
 * rows wait, and looks at those of the list (listed-lanes.ts) that may have something again.
 */

type Wanted = Pick<ClaimRequest, "fingerprints">;
type Asked = Wanted & { readonly limit: number };

/** Rows that one claim gives their turn, or moves to the list: so many take about 5 ms, in which the process does nothing else. */
const MARKED_AT_ONCE = 500;
const PAGE = 100; // lanes per statement, unless fewer are enough
const NEVER = Number.POSITIVE_INFINITY;

const MARK = "UPDATE fibers SET turn = '=' || coalesce(lane, '') WHERE id = ?";

/** Whether a row is due that no claim has seen yet. */
export const anyUnseen = (db: Connection, { rules }: Governed, { fingerprints }: Wanted, now: number): boolean =>
  dueFibers(db, { queues: [rules.queue], fingerprints }, now, 1).length > 0;

/** Answers whether there may be more. */
export function mark(db: Connection, { rules }: Governed, { fingerprints }: Wanted, now: number): boolean {
  const unseen = dueFibers(db, { queues: [rules.queue], fingerprints }, now, MARKED_AT_ONCE);
  for (const { id } of unseen) db.run(MARK, id);
  return unseen.length === MARKED_AT_ONCE;
}

const STOPPING = `
  SELECT id, priority, ready_at FROM fibers INDEXED BY fibers_cancelled
  WHERE owner IS NULL AND cancel IS NOT NULL AND queue = ? AND fingerprint = ? AND ended IS NULL
  ORDER BY priority DESC, ready_at, id LIMIT ?`;

/** A row that a claim may take. In a governed queue it takes a place; without a turn it is outside the rules all the same. */
export interface Candidate extends Offered {
  readonly id: number;
  /** It must get its lane's own turn, by which places are counted; most rows wait under that already. */
  readonly needsTurn: boolean;
  readonly from?: Lane;
}

const candidate = ({ id, priority, readyAt }: WaitingRow, from: Lane): Candidate => ({
  ...{ id, priority, readyAt, from },
  needsTurn: from.waiting !== from.lane,
});

function stopping(db: Connection, queue: string, { fingerprints, limit }: Asked): readonly Candidate[] {
  const rows = fingerprints.flatMap((fingerprint) => db.all(STOPPING, queue, fingerprint, limit));
  return rows
    .map((row) => ({
      id: numberIn(row, "id"),
      priority: numberIn(row, "priority"),
      readyAt: numberIn(row, "ready_at"),
      needsTurn: true,
    }))
    .sort(byUrgency);
}

const anyStopping = (db: Connection, { rules }: Governed, { fingerprints }: Wanted): boolean =>
  fingerprints.some((fingerprint) => db.get(STOPPING, rules.queue, fingerprint, 1) !== undefined);

/** A lane that has something for the claim: under which turn its rows wait, and the best of them if only one may be wanted. */
export interface Lane extends LaneView {
  readonly waiting: string;
  readonly best?: WaitingRow;
}

/** What a governed queue has for a claim, in the order of turns, and whether there may be rows that it did not come to. */
export function offer(
  work: Work,
  governed: Governed,
  asked: Asked,
): { readonly rows: readonly Candidate[]; readonly more: boolean } {
  const { db, now } = work;
  const { rules, rate } = governed;
  forgetLanes(db, rules.queue, now, MARKED_AT_ONCE);
  const first = stopping(db, rules.queue, asked);
  const leased = leasedIn(db, rules.queue, rules.concurrency);
  if (roomOf(rules, { leased, rate }, now) <= 0) return { rows: first, more: false };
  const tour = new Tour(work, governed, asked);
  const lanes = tour.lanes();
  const admitted = admit(rules, { leased, rate, lanes }, asked.limit, now);
  return { rows: [...first, ...inTurn(db, lanes, { ...asked, queue: rules.queue }, admitted)], more: tour.more };
}

/** One way through the lanes of a queue, each once, from the one after the last that was served. Sorts out those that are full. */
class Tour {
  readonly #db: Connection;
  readonly #now: number;
  readonly #governed: Governed;
  readonly #asked: Asked;
  #moves = MARKED_AT_ONCE;

  constructor({ db, now }: Work, governed: Governed, asked: Asked) {
    this.#db = db;
    this.#now = now;
    this.#governed = governed;
    this.#asked = asked;
  }

  /** Whether rows were left where they are because there were too many to move. */
  get more(): boolean {
    return this.#moves <= 0;
  }

  lanes(): readonly Lane[] {
    const { limit, fingerprints } = this.#asked;
    const { queue } = this.#governed.rules;
    const lanes: Lane[] = [];
    for (const lane of this.#all()) {
      lanes.push(lane);
      if (lanes.length === limit) return lanes; // one of each fills the claim
    }
    const count = (turn: string): number => claimable(this.#db, { queue, turn, fingerprints, limit });
    return lanes.map((lane) => (lane.best === undefined ? lane : { ...lane, claimable: count(lane.waiting) }));
  }

  *#all(): Generator<Lane> {
    const { rules, last } = this.#governed;
    const { limit, fingerprints } = this.#asked;
    const size = Math.min(limit, PAGE);
    for (const stretch of stretchesFrom(last)) {
      const walked = walk(this.#db, { ...walkOf(rules, fingerprints), size }, stretch);
      const open = openLanes(this.#db, { queue: rules.queue, now: this.#now, size }, stretch);
      for (const { met, listed } of together(walked, open)) {
        const lane = met === undefined ? listed && this.#look(listed) : this.#met(met, listed);
        if (lane !== undefined) yield lane;
      }
    }
  }

  #met({ turn, leased, rate, inList, best }: WaitingLane, open: ListedLane | undefined): Lane | undefined {
    const { queue, lane: rules = {} } = this.#governed.rules;
    if (roomOf(rules, { leased, rate }, this.#now) <= 0) {
      this.#close(turn, { leased, rate });
      this.#move(turn);
      return undefined;
    }
    if (inList) {
      this.#move(turn); // from now on they wait among the others
      if (open === undefined) openLane(this.#db, queue, turn);
      return this.#look({ turn, rate });
    }
    const [first] = best.length > 1 ? best.toSorted(byUrgency) : best;
    return first && { lane: turn, waiting: turn, claimable: 1, best: first, leased, rate };
  }

  #close(turn: string, { leased, rate }: Pick<WaitingLane, "leased" | "rate">): void {
    const { queue, lane: rules = {} } = this.#governed.rules;
    const isFull = leased >= (rules.concurrency ?? NEVER);
    const until = isFull || rules.rate === undefined ? undefined : roomAt(rules.rate, rate, this.#now);
    closeLane(this.#db, queue, turn, until);
  }

  #move(turn: string): void {
    if (this.#moves > 0) this.#moves -= moveToList(this.#db, this.#governed.rules.queue, turn, this.#moves);
  }

  /** What an open lane has to give. It stays open if what waits there is only not for this worker. */
  #look({ turn, rate }: ListedLane): Lane | undefined {
    const [db, now] = [this.#db, this.#now];
    const { queue, lane: rules = {} } = this.#governed.rules;
    const { fingerprints, limit } = this.#asked;
    const waiting = listedTurn(turn);
    if (!anyWaiting(db, queue, waiting)) {
      keepRate(db, queue, { turn, rate }, undefined);
      return undefined;
    }
    const leased = leasedInLane(db, queue, turn, rules.concurrency);
    const room = Math.min(limit, roomOf(rules, { leased, rate }, now));
    if (room <= 0) {
      this.#close(turn, { leased, rate });
      return undefined;
    }
    const found = claimable(db, { queue, turn: waiting, fingerprints, limit: room });
    return found === 0 ? undefined : { lane: turn, waiting, claimable: found, leased, rate };
  }
}

const walkOf = (
  { queue, lane }: QueueRules,
  fingerprints: readonly string[],
): { queue: string; fingerprints: readonly string[]; places: number } => ({
  ...{ queue, fingerprints },
  places: lane?.concurrency ?? 0,
});

/** Both kinds of lanes in one order of turns: SQLite's, which is that of the bytes. */
function* together(
  walked: Generator<WaitingLane>,
  open: Generator<ListedLane>,
): Generator<{ readonly met?: WaitingLane; readonly listed?: ListedLane }> {
  let met = walked.next();
  let listed = open.next();
  for (;;) {
    const order = met.done ? 1 : listed.done ? -1 : compareBytes(met.value.turn, listed.value.turn);
    if (met.done && listed.done) return;
    yield {
      ...(order <= 0 && !met.done && { met: met.value }),
      ...(order >= 0 && !listed.done && { listed: listed.value }),
    };
    if (order <= 0) met = walked.next();
    if (order >= 0) listed = open.next();
  }
}

const compareBytes = (a: string, b: string): number => (a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b)));

/** The best rows of the lanes that were admitted: the first of each, then the second of each. */
function inTurn(
  db: Connection,
  lanes: readonly Lane[],
  { queue, fingerprints }: Wanted & { readonly queue: string },
  admitted: ReadonlyMap<string, number>,
): readonly Candidate[] {
  const rows = lanes.flatMap((lane) => {
    const count = admitted.get(lane.lane) ?? 0;
    if (count === 0) return [];
    if (count === 1 && lane.best !== undefined) return [[candidate(lane.best, lane)]];
    const best = bestOf(db, { queue, turn: lane.waiting, fingerprints, limit: count });
    return [best.map((row) => candidate(row, lane))];
  });
  const rounds = Math.max(0, ...admitted.values());
  return Array.from({ length: rounds }, (_, round) => rows.flatMap((lane) => lane[round] ?? [])).flat();
}

/** Lanes with rows for this worker that are not in the list. The first is nearly always enough. */
function* unlisted(db: Connection, { rules }: Governed, { fingerprints }: Wanted): Generator<WaitingLane> {
  for (const stretch of stretchesFrom("")) {
    for (const lane of walk(db, walkOf(rules, fingerprints), stretch)) {
      if (lane.best.length > 0) yield lane;
    }
  }
}

/** Whether a claim is worth a try: it finds something, or sorts out a lane that looks open. */
export function mayGive(db: Connection, governed: Governed, wanted: Wanted, now: number): boolean {
  const { rules, rate } = governed;
  const leased = leasedIn(db, rules.queue, rules.concurrency);
  const hasRoom = roomOf(rules, { leased, rate }, now) > 0;
  if (hasRoom && unlisted(db, governed, wanted).next().done !== true) return true; // nearly always, if there is anything
  if (anyUnseen(db, governed, wanted, now) || anyStopping(db, governed, wanted)) return true;
  if (!hasRoom) return false;
  for (const { waiting, opensAt } of openingLanes(db, rules.queue)) {
    if (opensAt > now) break;
    if (claimable(db, { ...wanted, queue: rules.queue, turn: waiting, limit: 1 }) > 0) return true;
  }
  return false;
}

/** When a claim can take something of a governed queue, if not only a freed place can help. */
export function nextGoverned(db: Connection, governed: Governed, wanted: Wanted, now: number): number {
  const { rules, rate } = governed;
  if (anyStopping(db, governed, wanted)) return now;
  const future = nextFree(db, { ...wanted, queues: [rules.queue] }) ?? NEVER;
  if (leasedIn(db, rules.queue, rules.concurrency) >= (rules.concurrency ?? NEVER)) return future;
  const queueAt = rules.rate === undefined ? now : roomAt(rules.rate, rate, now);
  return Math.min(future, Math.max(queueAt, nextLane(db, governed, wanted, now)));
}

/** When the first lane with a free place has room in its rate, too. */
function nextLane(db: Connection, governed: Governed, wanted: Wanted, now: number): number {
  const { queue, lane = {} } = governed.rules;
  const places = lane.concurrency ?? NEVER;
  let next = NEVER;
  for (const { leased, rate } of unlisted(db, governed, wanted)) {
    if (leased >= places) continue;
    next = Math.min(next, lane.rate === undefined ? now : roomAt(lane.rate, rate, now));
    if (next <= now) return now;
  }
  for (const { turn, waiting, rate, opensAt } of openingLanes(db, queue)) {
    if (opensAt >= next) break;
    const at = lane.rate === undefined ? now : roomAt(lane.rate, rate, now);
    if (at >= next || leasedInLane(db, queue, turn, lane.concurrency) >= places) continue;
    if (claimable(db, { ...wanted, queue, turn: waiting, limit: 1 }) > 0) next = at;
  }
  return next;
}
