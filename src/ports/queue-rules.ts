import { FlujoError } from "../domain/errors.ts";
import { isId } from "../domain/ids.ts";

/**
 * Rules of one queue, kept in the store so that all workers obey the same ones. A queue with rules is GOVERNED: a fiber holds
 * one place in its queue, and one in its lane, for as long as it is leased in that queue. Places are counted from the leased
 * rows themselves, never in a counter of their own, so a crash leaks none.
 *
 * A lane is the rows of a queue that share a key (a tenant, a model, an account). In a governed queue lanes take turns,
 * whatever their length; within a lane the order is priority, then due time. Source: Graflow, fair scheduling; Fluxo, queues.
 */
export interface QueueRules {
  readonly queue: string;
  /** Leased at once, over all workers. Default: no limit. */
  readonly concurrency?: number;
  readonly rate?: Rate;
  /** The same for each lane of the queue on its own. Rows without a lane share one lane. `{}`: lanes only take turns. */
  readonly lane?: LaneRules;
}

export interface LaneRules {
  readonly concurrency?: number;
  readonly rate?: Rate;
}

/** At most `count` claims within any `perMs` milliseconds, wherever that window begins. */
export interface Rate {
  readonly count: number;
  readonly perMs: number;
}

/** The lane of rows without a key. */
export const NO_LANE = "";

/** Whether a queue with these rules is governed. Without any rule it is free. */
export const isGoverned = ({ concurrency, rate, lane }: QueueRules): boolean =>
  concurrency !== undefined || rate !== undefined || lane !== undefined;

/** The rules as every store keeps them. Throws OPTION_INVALID for what is no rule (I8). */
export const checkRules = (rules: readonly QueueRules[]): readonly QueueRules[] => rules.map(checkedRules);

function checkedRules(rules: QueueRules): QueueRules {
  const { queue, lane } = rules;
  if (typeof queue !== "string" || !isId(queue)) {
    throw new FlujoError("OPTION_INVALID", `expected the name of a queue, an id, but found ${JSON.stringify(queue)}`);
  }
  const at = `rules of the queue ${queue}`;
  onlyKeys(at, rules, ["queue", "concurrency", "rate", "lane"]);
  if (lane === undefined) return { queue, ...checkedLimits(at, rules) };
  onlyKeys(`${at}: lane`, lane, ["concurrency", "rate"]);
  return { queue, ...checkedLimits(at, rules), lane: checkedLimits(`${at}: lane`, lane) };
}

function checkedLimits(at: string, { concurrency, rate }: LaneRules): LaneRules {
  if (concurrency !== undefined) positive(`${at}: concurrency`, concurrency);
  if (rate === undefined) return { ...(concurrency !== undefined && { concurrency }) };
  onlyKeys(`${at}: rate`, rate, ["count", "perMs"]);
  const { count, perMs } = rate;
  positive(`${at}: rate.count`, count);
  positive(`${at}: rate.perMs`, perMs);
  return { ...(concurrency !== undefined && { concurrency }), rate: { count, perMs } };
}

function onlyKeys(at: string, value: object, known: readonly string[]): void {
  if (typeof value !== "object" || value === null)
    throw new FlujoError("OPTION_INVALID", `${at}: expected an object but found ${JSON.stringify(value)}`);
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined)
    throw new FlujoError("OPTION_INVALID", `${at}: expected ${known.join(", ")} but found "${unknown}"`);
}

function positive(at: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1)
    throw new FlujoError("OPTION_INVALID", `${at}: expected a whole number from 1 but found ${String(value)}`);
}

/*
 * How a rate is kept: time is cut into sixteenths of the period, and each sixteenth remembers its claims. Whatever lies in any
 * one period touches at most seventeen of them, so their sum bounds it: never too many, at the price of up to a sixteenth of
 * the rate. A log of each claim would be exact and grow with the rate; fixed windows allow twice the rate where they meet.
 */
const PARTS = 16;

/** What a rate remembers, plain JSON. With another period it remembers nothing: the rate starts anew. */
export interface RateState {
  readonly perMs: number;
  /** Claims by sixteenth of the period: pairs of its number since the epoch and its count, oldest first. */
  readonly parts: readonly (readonly [part: number, claims: number])[];
}

/** The state of a rate that has seen no claim. A store need not keep it. */
export const NO_CLAIMS: RateState = Object.freeze({ perMs: 0, parts: [] });

const partOf = ({ perMs }: Rate, now: number): number => Math.floor((now * PARTS) / perMs);

/** When a sixteenth and all before it are forgotten. */
const forgottenAt = ({ perMs }: Rate, part: number): number => Math.ceil(((part + PARTS + 1) * perMs) / PARTS);

function recent(rate: Rate, { perMs, parts }: RateState, now: number): RateState["parts"] {
  if (perMs !== rate.perMs) return [];
  const oldest = partOf(rate, now) - PARTS;
  return parts.filter(([part]) => part >= oldest);
}

const sumOf = (parts: RateState["parts"]): number => parts.reduce((sum, [, claims]) => sum + claims, 0);

/** How many may be claimed now. */
export const roomIn = (rate: Rate, state: RateState, now: number): number =>
  Math.max(0, rate.count - sumOf(recent(rate, state, now)));

/** The state after that many claims. A clock that went back adds to the newest part: a rate is never widened by it. */
export function afterClaims(
  rate: Rate,
  state: RateState,
  { now, claims }: { readonly now: number; readonly claims: number },
): RateState {
  const kept = recent(rate, state, now);
  if (claims === 0) return { perMs: rate.perMs, parts: kept };
  const last = kept.at(-1);
  const part = Math.max(partOf(rate, now), last?.[0] ?? 0);
  const parts =
    last?.[0] === part ? [...kept.slice(0, -1), [part, last[1] + claims] as const] : [...kept, [part, claims] as const];
  return { perMs: rate.perMs, parts };
}

/** When there will be room again, if there is none now. */
export function roomAt(rate: Rate, state: RateState, now: number): number {
  const parts = recent(rate, state, now);
  let claims = sumOf(parts);
  if (claims < rate.count) return now;
  for (const [part, gone] of parts) {
    claims -= gone;
    if (claims < rate.count) return forgottenAt(rate, part);
  }
  return now;
}

/** From when on the state says no more than `NO_CLAIMS`: a lane that idles for a period needs no state. */
export function emptyAt(state: RateState): number {
  const last = state.parts.at(-1);
  return last === undefined ? 0 : forgottenAt({ count: 1, perMs: state.perMs }, last[0]);
}

/** What a store knows of a lane with claimable rows, in the order of turns. */
export interface LaneView {
  readonly lane: string;
  /** Claimable rows, as far as looked: more than would be taken need not be counted. */
  readonly claimable: number;
  readonly leased: number;
  readonly rate: RateState;
}

export interface QueueView {
  readonly leased: number;
  readonly rate: RateState;
  readonly lanes: readonly LaneView[];
}

/** How many more the rules of a queue, or of a lane, admit of what is leased and was claimed. */
export function roomOf(
  { concurrency, rate }: LaneRules,
  seen: { readonly leased: number; readonly rate: RateState },
  now: number,
): number {
  const places = concurrency === undefined ? Number.POSITIVE_INFINITY : Math.max(0, concurrency - seen.leased);
  return rate === undefined ? places : Math.min(places, roomIn(rate, seen.rate, now));
}

/**
 * How many rows to take of each lane: one of each in turn until the limit, the rules or the rows are exhausted. Lanes that get
 * nothing are left out, the others are in the order of their turns. Begin with the lane after `lastServed` next time.
 */
export function admit(rules: QueueRules, view: QueueView, limit: number, now: number): ReadonlyMap<string, number> {
  let left = Math.min(limit, roomOf(rules, view, now));
  const taken = new Map<string, number>();
  let open = view.lanes.map((lane) => ({
    lane: lane.lane,
    room: Math.min(lane.claimable, roomOf(rules.lane ?? {}, lane, now)),
  }));
  for (let round = 1; left > 0; round++) {
    open = open.filter(({ room }) => room >= round);
    if (open.length === 0) break;
    for (const { lane } of open.slice(0, left)) taken.set(lane, round);
    left -= open.length;
  }
  return taken;
}

/** The lane that got the last row of what was admitted. */
export function lastServed(admitted: ReadonlyMap<string, number>): string | undefined {
  let last: string | undefined;
  let most = 1;
  for (const [lane, taken] of admitted) {
    if (taken < most) continue;
    last = lane;
    most = taken;
  }
  return last;
}

/** A row that a queue offers to a claim. */
export interface Offered {
  readonly priority: number;
  readonly readyAt: number;
}

/**
 * What a claim of several queues takes: again and again the first row of the queue whose first row is the most urgent. All free
 * queues together are one offer, by priority and due time; a governed queue offers its rows in the order of turns.
 */
export function mergeOffers<Row extends Offered>(offers: readonly (readonly Row[])[], limit: number): readonly Row[] {
  const at = offers.map(() => 0);
  const taken: Row[] = [];
  while (taken.length < limit) {
    let best: { readonly from: number; readonly row: Row } | undefined;
    for (const [from, offer] of offers.entries()) {
      const row = offer[at[from] ?? 0];
      if (row !== undefined && (best === undefined || isMoreUrgent(row, best.row))) best = { from, row };
    }
    if (best === undefined) break;
    at[best.from] = (at[best.from] ?? 0) + 1;
    taken.push(best.row);
  }
  return taken;
}

const isMoreUrgent = (a: Offered, b: Offered): boolean =>
  a.priority > b.priority || (a.priority === b.priority && a.readyAt < b.readyAt);
