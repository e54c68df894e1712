import {
  afterClaims,
  emptyAt,
  NO_CLAIMS,
  NO_LANE,
  type QueueRules,
  type RateState,
  roomAt,
  roomOf,
} from "../../ports/queue-rules.ts";
import { bestOf, type Entry, Heap, moreUrgent } from "./heap.ts";
import type { FiberRow } from "./rows.ts";

/** What one queue has for one claim: its best row, until it has no more to give. */
export interface Offer {
  peek(): Entry<FiberRow> | undefined;
  /** Takes the row that `peek` has shown. */
  take(): void;
  close(): void;
}

type HeapsByDefinition = Map<string, Heap<FiberRow>>;

/** A lane that has rows, holds places, or remembers claims. */
export interface Lane {
  readonly name: string;
  readonly queue: GovernedQueue;
  readonly due: HeapsByDefinition;
  leased: number;
  rate: RateState;
  /** Its place among the turns, or among the resting lanes. */
  entry: Entry<Lane> | undefined;
}

/**
 * A queue with rules. A claim looks at lanes in the order of their turns: one that was served goes to the end. A lane without
 * a free place leaves the turns until it gets one back, a lane whose rate is used up until it has room again: however many
 * lanes are stuck, a claim walks over those it can serve, and no row but the first of a lane is looked at.
 */
export class GovernedQueue {
  rules: QueueRules;
  #leased = 0;
  #rate: RateState = NO_CLAIMS;
  readonly #lanes = new Map<string, Lane>();
  readonly #later: HeapsByDefinition = new Map();
  /** Rows with a cancel request: outside the rules. */
  readonly #stopping: HeapsByDefinition = new Map();
  readonly #turns = new Heap<Lane>((a, b) => a.order < b.order);
  readonly #resting = new Heap<Lane>((a, b) => a.readyAt < b.readyAt);
  #order = 0;

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
  hold(row: FiberRow): Lane {
    const lane = this.#lane(row.lane);
    row.place = lane;
    lane.leased += 1;
    this.#leased += 1;
    return lane;
  }

  /** A place is free. Answers whether a lane may wait for it: none does where there was room before. */
  free(lane: Lane): boolean {
    const { concurrency = Number.POSITIVE_INFINITY, lane: { concurrency: ofLane = concurrency } = {} } = this.rules;
    const wasFull = this.#leased >= concurrency || lane.leased >= ofLane;
    lane.leased -= 1;
    this.#leased -= 1;
    this.#enter(lane);
    return wasFull && this.#turns.peek() !== undefined;
  }

  offer(fingerprints: readonly string[], now: number): Offer {
    this.#ripen(fingerprints, now);
    const passed: Entry<Lane>[] = [];
    const stopping = (): Heap<FiberRow> | undefined => bestIn(this.#stopping, fingerprints);
    const next = (): Heap<FiberRow> | undefined =>
      this.#room(now) > 0 ? this.#nextLane(fingerprints, now, passed) : undefined;
    return {
      peek: () => (stopping() ?? next())?.peek(),
      take: () => {
        const row = stopping()?.pop()?.row;
        if (row === undefined) this.#serve(next(), now);
        else this.hold(row);
      },
      close: () => {
        for (const entry of passed) this.#turns.push(entry);
      },
    };
  }

  #room(now: number): number {
    return roomOf(this.rules, { leased: this.#leased, rate: this.#rate }, now);
  }

  #serve(heap: Heap<FiberRow> | undefined, now: number): void {
    const row = heap?.pop()?.row;
    if (row === undefined) return;
    const lane = this.hold(row);
    const { rate, lane: { rate: laneRate } = {} } = this.rules;
    if (rate !== undefined) this.#rate = afterClaims(rate, this.#rate, { now, claims: 1 });
    if (laneRate !== undefined) lane.rate = afterClaims(laneRate, lane.rate, { now, claims: 1 });
    this.#leaveTurns(lane);
    this.#enter(lane);
  }

  /** The best row of the lane whose turn it is. Lanes that cannot be served leave the turns, those without work for the worker pass. */
  #nextLane(fingerprints: readonly string[], now: number, passed: Entry<Lane>[]): Heap<FiberRow> | undefined {
    for (let entry = this.#turns.peek(); entry?.row !== undefined; entry = this.#turns.peek()) {
      const lane = entry.row;
      if (!hasDue(lane) || roomOf(this.rules.lane ?? {}, lane, now) <= 0) {
        this.#rest(lane, now);
        continue;
      }
      const heap = bestIn(lane.due, fingerprints);
      if (heap !== undefined) return heap;
      this.#turns.pop();
      passed.push(entry);
    }
    return undefined;
  }

  /** Out of the turns: until its rate has room, until it can be forgotten, or until a place is freed. */
  #rest(lane: Lane, now: number): void {
    this.#leaveTurns(lane);
    const { rate } = this.rules.lane ?? {};
    const waits = hasDue(lane);
    if (waits && lane.leased >= (this.rules.lane?.concurrency ?? Number.POSITIVE_INFINITY)) return;
    const at = waits && rate !== undefined ? roomAt(rate, lane.rate, now) : emptyAt(lane.rate);
    if (at > now) {
      lane.entry = { row: lane, readyAt: at, priority: 0, order: 0, heap: this.#resting };
      this.#resting.push(lane.entry);
    } else if (!waits && lane.leased === 0) this.#lanes.delete(lane.name);
  }

  #enter(lane: Lane): void {
    if (lane.entry?.heap === this.#turns) return;
    this.#leaveTurns(lane);
    lane.entry = { row: lane, readyAt: 0, priority: 0, order: this.#order++, heap: this.#turns };
    this.#turns.push(lane.entry);
  }

  #leaveTurns(lane: Lane): void {
    lane.entry?.heap.empty(lane.entry);
    lane.entry = undefined;
  }

  #lane(name: string = NO_LANE): Lane {
    let lane = this.#lanes.get(name);
    if (lane === undefined) {
      lane = { name, queue: this, due: new Map(), leased: 0, rate: NO_CLAIMS, entry: undefined };
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
    for (const { row: lane } of [...this.#turns.entries(), ...this.#resting.entries()]) {
      if (lane === undefined || lane.leased >= (rules.concurrency ?? Number.POSITIVE_INFINITY)) continue;
      if (bestIn(lane.due, fingerprints) === undefined) continue;
      next = Math.min(next, rules.rate === undefined ? now : roomAt(rules.rate, lane.rate, now));
      if (next <= now) break;
    }
    return Math.max(roomInQueue, next);
  }
}

function heapIn(heaps: HeapsByDefinition, fingerprint: string, sooner: typeof moreUrgent): Heap<FiberRow> {
  let heap = heaps.get(fingerprint);
  if (heap === undefined) heaps.set(fingerprint, (heap = new Heap<FiberRow>(sooner)));
  return heap;
}

const bestIn = (heaps: HeapsByDefinition, fingerprints: readonly string[]): Heap<FiberRow> | undefined =>
  fingerprints.reduce<Heap<FiberRow> | undefined>((best, fingerprint) => {
    const heap = heaps.get(fingerprint);
    return heap === undefined ? best : bestOf(best, heap);
  }, undefined);

const hasDue = ({ due }: Lane): boolean => [...due.values()].some((heap) => heap.peek() !== undefined);
