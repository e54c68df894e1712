import {
  afterClaims,
  emptyAt,
  type LaneRules,
  NO_CLAIMS,
  NO_LANE,
  type QueueRules,
  type RateState,
  roomAt,
  roomOf,
} from "../../ports/queue-rules.ts";
import { bestOf, type Entry, Heap, moreUrgent } from "./heap.ts";
import type { FiberRow } from "./rows.ts";
import { Turns } from "./turns.ts";

/** What one queue has for one claim: its best row, until it has no more to give. */
export interface Offer {
  peek(): Entry<FiberRow> | undefined;
  /** Takes the row that `peek` has shown. */
  take(): void;
}

const NO_RULES: LaneRules = Object.freeze({});

type HeapsByDefinition = Map<string, Heap<FiberRow>>;

/** A lane that has rows, holds places, or remembers claims. */
export interface Lane {
  readonly name: string;
  readonly queue: GovernedQueue;
  readonly due: HeapsByDefinition;
  leased: number;
  rate: RateState;
  /** Its neighbours among the turns. */
  before: Lane | undefined;
  after: Lane | undefined;
  /** Its place among the resting lanes. */
  rest: Entry<Lane> | undefined;
}

/** How far a claim has come among the turns. */
interface Walk {
  readonly fingerprints: readonly string[];
  readonly now: number;
  /** The last lane that has no work for the worker: it stays where it is. */
  passed: Lane | undefined;
}

/** The best row of a lane that has its turn. */
interface Turn {
  readonly lane: Lane;
  readonly heap: Heap<FiberRow>;
}

/**
 * A queue with rules. A claim looks at lanes in the order of their turns: one that was served goes to the end. A lane without
 * a free place leaves the turns until it gets one back, a lane whose rate is used up until it has room again: however many
 * lanes are stuck, a claim walks over those it can serve, and no row but the first of a lane is looked at. With its last row a
 * lane leaves the turns at once: of many lanes most have one row, and coming back for it was half of what they cost.
 */
export class GovernedQueue {
  rules: QueueRules;
  #leased = 0;
  #rate: RateState = NO_CLAIMS;
  readonly #lanes = new Map<string, Lane>();
  readonly #later: HeapsByDefinition = new Map();
  /** Rows with a cancel request: outside the rules. */
  readonly #stopping: HeapsByDefinition = new Map();
  readonly #turns = new Turns();
  readonly #resting = new Heap<Lane>((a, b) => a.readyAt < b.readyAt);

  constructor(rules: QueueRules) {
    this.rules = rules;
  }

  change(rules: QueueRules): void {
    this.rules = rules;
    for (const lane of this.#lanes.values()) this.#enter(lane);
  }

  rows(): readonly Entry<FiberRow>[] {
    const heaps = [...this.#later.values(), ...this.#stopping.values()];
    for (const { due } of this.#lanes.values()) heaps.push(...due.values());
    return heaps.flatMap((heap) => heap.entries());
  }

  /** Where a row waits. */
  heapOf({ cancel, readyAt = 0, run, lane: name }: FiberRow, now: number): Heap<FiberRow> {
    const { fingerprint } = run;
    if (cancel !== undefined) return heapIn(this.#stopping, fingerprint, moreUrgent);
    if (readyAt > now) return heapIn(this.#later, fingerprint, (a, b) => a.readyAt < b.readyAt);
    const lane = this.#lane(name);
    this.#enter(lane);
    return heapIn(lane.due, fingerprint, moreUrgent);
  }

  /** A row takes a place. */
  hold(row: FiberRow): void {
    this.#hold(row, this.#lane(row.lane));
  }

  #hold(row: FiberRow, lane: Lane): void {
    row.place = lane;
    lane.leased += 1;
    this.#leased += 1;
  }

  /** A place is free. Answers whether a lane may wait for it: none does where there was room before. */
  free(lane: Lane): boolean {
    const { concurrency = Number.POSITIVE_INFINITY, lane: { concurrency: ofLane = concurrency } = {} } = this.rules;
    const wasFull = this.#leased >= concurrency || lane.leased >= ofLane;
    lane.leased -= 1;
    this.#leased -= 1;
    if (hasDue(lane)) this.#enter(lane);
    else if (lane.leased === 0) this.#leaveEmpty(lane);
    return wasFull && this.#turns.first !== undefined;
  }

  /** A lane without rows and places is forgotten, once its rate says nothing: a claim sees to that, which knows the time. */
  #leaveEmpty(lane: Lane): void {
    if (this.#turns.has(lane) || lane.rest !== undefined) return;
    if (lane.rate === NO_CLAIMS) this.#lanes.delete(lane.name);
    else this.#enter(lane);
  }

  offer(fingerprints: readonly string[], now: number): Offer {
    this.#ripen(fingerprints, now);
    const walk: Walk = { fingerprints, now, passed: undefined };
    let turn: Turn | undefined;
    const stopping = (): Heap<FiberRow> | undefined => bestIn(this.#stopping, fingerprints);
    return {
      peek: () => {
        const stopped = stopping()?.peek();
        if (stopped !== undefined) return stopped;
        if (this.#room(now) <= 0) return undefined;
        turn ??= this.#nextTurn(walk);
        return turn?.heap.peek();
      },
      take: () => {
        const row = stopping()?.pop()?.row;
        if (row !== undefined) return this.hold(row);
        if (turn !== undefined) this.#serve(turn, now);
        turn = undefined;
      },
    };
  }

  #room(now: number): number {
    return roomOf(this.rules, { leased: this.#leased, rate: this.#rate }, now);
  }

  #serve({ lane, heap }: Turn, now: number): void {
    const row = heap.pop()?.row;
    if (row === undefined) return;
    this.#hold(row, lane);
    const { rate, lane: { rate: laneRate } = {} } = this.rules;
    if (rate !== undefined) this.#rate = afterClaims(rate, this.#rate, { now, claims: 1 });
    if (laneRate !== undefined) lane.rate = afterClaims(laneRate, lane.rate, { now, claims: 1 });
    if (!hasDue(lane)) return this.#rest(lane, now);
    this.#turns.remove(lane);
    this.#turns.push(lane);
  }

  /** The lane whose turn it is. Those that cannot be served leave the turns, those without work for the worker are passed. */
  #nextTurn(walk: Walk): Turn | undefined {
    const { fingerprints, now, passed } = walk;
    let next: Lane | undefined;
    for (let lane = passed === undefined ? this.#turns.first : passed.after; lane !== undefined; lane = next) {
      next = lane.after;
      if (!hasDue(lane) || roomOf(this.rules.lane ?? NO_RULES, lane, now) <= 0) {
        this.#rest(lane, now);
        continue;
      }
      const heap = bestIn(lane.due, fingerprints);
      if (heap !== undefined) return { lane, heap };
      walk.passed = lane;
    }
    return undefined;
  }

  /** Out of the turns: until its rate has room, until it can be forgotten, or until a place is freed. */
  #rest(lane: Lane, now: number): void {
    this.#turns.remove(lane);
    const { rate } = this.rules.lane ?? NO_RULES;
    const waits = hasDue(lane);
    if (waits && lane.leased >= (this.rules.lane?.concurrency ?? Number.POSITIVE_INFINITY)) return;
    const at = waits && rate !== undefined ? roomAt(rate, lane.rate, now) : emptyAt(lane.rate);
    if (at > now) {
      lane.rest = { row: lane, readyAt: at, priority: 0, order: 0, heap: this.#resting };
      this.#resting.push(lane.rest);
      return;
    }
    if (!waits) lane.rate = NO_CLAIMS;
    if (!waits && lane.leased === 0) this.#lanes.delete(lane.name);
  }

  #enter(lane: Lane): void {
    if (this.#turns.has(lane)) return;
    lane.rest?.heap.empty(lane.rest);
    lane.rest = undefined;
    this.#turns.push(lane);
  }

  #lane(name: string = NO_LANE): Lane {
    let lane = this.#lanes.get(name);
    if (lane === undefined) {
      const nowhere = { before: undefined, after: undefined, rest: undefined };
      lane = { name, queue: this, due: new Map(), leased: 0, rate: NO_CLAIMS, ...nowhere };
      this.#lanes.set(name, lane);
    }
    return lane;
  }

  #ripen(fingerprints: readonly string[], now: number): void {
    for (let at = this.#resting.peek(); at?.row !== undefined && at.readyAt <= now; at = this.#resting.peek())
      this.#enter(at.row);
    for (const fingerprint of fingerprints) {
      const later = this.#later.get(fingerprint);
      for (let entry = later?.peek(); entry?.row !== undefined && entry.readyAt <= now; entry = later?.peek()) {
        later?.pop();
        this.heapOf(entry.row, now).push(entry);
      }
    }
  }

  nextDue(fingerprints: readonly string[], now: number): number | undefined {
    this.#ripen(fingerprints, now);
    const stopping = bestIn(this.#stopping, fingerprints)?.peek();
    if (stopping !== undefined) return stopping.readyAt;
    const future = fingerprints.flatMap((fingerprint) => this.#later.get(fingerprint)?.peek()?.readyAt ?? []);
    const next = Math.min(...future, this.#nextRoom(fingerprints, now));
    return next === Number.POSITIVE_INFINITY ? undefined : next;
  }

  /** When the rules admit one of the rows that are due, if not only a freed place can help. */
  #nextRoom(fingerprints: readonly string[], now: number): number {
    const { concurrency = Number.POSITIVE_INFINITY, rate, lane: rules = {} } = this.rules;
    if (this.#leased >= concurrency) return Number.POSITIVE_INFINITY;
    const roomInQueue = rate === undefined ? now : roomAt(rate, this.#rate, now);
    let next = Number.POSITIVE_INFINITY;
    for (const lane of this.#waiting()) {
      if (lane.leased >= (rules.concurrency ?? Number.POSITIVE_INFINITY)) continue;
      if (bestIn(lane.due, fingerprints) === undefined) continue;
      next = Math.min(next, rules.rate === undefined ? now : roomAt(rules.rate, lane.rate, now));
      if (next <= now) break;
    }
    return Math.max(roomInQueue, next);
  }

  /** Lanes that a claim may serve, now or at some time. */
  *#waiting(): Iterable<Lane> {
    yield* this.#turns;
    for (const { row: lane } of this.#resting.entries()) if (lane !== undefined) yield lane;
  }
}

function heapIn(heaps: HeapsByDefinition, fingerprint: string, sooner: typeof moreUrgent): Heap<FiberRow> {
  let heap = heaps.get(fingerprint);
  if (heap === undefined) heaps.set(fingerprint, (heap = new Heap<FiberRow>(sooner)));
  return heap;
}

function bestIn(heaps: HeapsByDefinition, fingerprints: readonly string[]): Heap<FiberRow> | undefined {
  let best: Heap<FiberRow> | undefined;
  if (heaps.size === 0) return best;
  for (const fingerprint of fingerprints) {
    const heap = heaps.get(fingerprint);
    if (heap !== undefined) best = bestOf(best, heap);
  }
  return best;
}

function hasDue({ due }: Lane): boolean {
  for (const heap of due.values()) if (heap.peek() !== undefined) return true;
  return false;
}
