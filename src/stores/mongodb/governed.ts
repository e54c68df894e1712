import {
  admit,
  afterClaims,
  emptyAt,
  lastServed,
  type LaneView,
  NO_CLAIMS,
  NO_LANE,
  type QueueRules,
  type QueueView,
  type RateState,
  roomAt,
  roomOf,
} from "../../ports/queue-rules.ts";
import type { Base } from "./base.ts";
import { type Candidate, CANDIDATE, dueFilter } from "./candidates.ts";
import type { Document } from "./driver.ts";
import { type Grant, type QueueDocument, rateOf, rulesOf } from "./queues.ts";

/*
 * Never more leased than the rules say, although rows are leased one run at a time: a claim writes a grant into the queue's
 * document before it leases, on condition of the version (`v`) under which it counted, and takes the grant out when its rows are leased.
 * Counted are leased rows and open grants. So between two claims the one that writes second has counted the first, by its grant or
 * by its rows; while both are there a row counts twice, which only errs on the safe side. A grant of a worker that died is
 * taken out by the sweep; a claim that was only slow finds it gone, and gives its rows back before anybody works on them. Nothing
 * else leases rows of a governed queue.
 */

/** What one governed queue offers to one claim: its rows in the order of turns. */
export interface Offer {
  readonly queue: QueueDocument;
  readonly rules: QueueRules;
  readonly view: QueueView;
  readonly stopping: readonly Candidate[];
  readonly working: readonly Candidate[];
}

export interface Wanted {
  readonly fingerprints: readonly string[];
  readonly now: number;
  readonly limit: number;
  /** Of the worker that asks: grants of its own are left over from a claim that failed. */
  readonly lease: string;
}

export async function offerOf(base: Base, queue: QueueDocument, wanted: Wanted): Promise<Offer> {
  const rules = rulesOf(queue);
  const view = await viewOf(base, queue, wanted);
  const [stopping, working] = await Promise.all([
    dueRows(
      base,
      { ...dueFilter([queue._id], wanted.fingerprints, wanted.now), cancel: { $exists: true } },
      wanted.limit,
    ),
    rowsInTurn(base, queue, admit(rules, view, wanted.limit, wanted.now), wanted),
  ]);
  return { queue, rules, view, stopping, working };
}

const dueRows = async (base: Base, filter: Document, limit: number): Promise<readonly Candidate[]> =>
  (await base.in.runs
    .find(filter, { projection: CANDIDATE, sort: { priority: -1, due: 1 }, limit })
    .toArray()) as readonly Candidate[];

/** Rows read at once for each that is wanted: lanes of different lengths stand mixed in the index. */
const READ_AHEAD = 4;

/** One row of each lane in turn. One query finds them, as a rule; a lane whose rows lie further behind is asked for by itself. */
async function rowsInTurn(
  base: Base,
  { _id: queue }: QueueDocument,
  admitted: ReadonlyMap<string, number>,
  { fingerprints, now }: Wanted,
): Promise<readonly Candidate[]> {
  if (admitted.size === 0) return [];
  const due = { ...dueFilter([queue], fingerprints, now), cancel: { $exists: false } };
  const many = READ_AHEAD * [...admitted.values()].reduce((a, b) => a + b, 0);
  const found = await dueRows(base, { ...due, lane: { $in: [...admitted.keys()] } }, many);
  const byLane = groupByLane(found);
  const lanes = await Promise.all(
    [...admitted].map(async ([lane, count]) => {
      const rows = byLane.get(lane) ?? [];
      return rows.length >= count || found.length < many
        ? rows.slice(0, count)
        : dueRows(base, { ...due, lane }, count);
    }),
  );
  const rounds = Math.max(0, ...lanes.map(({ length }) => length));
  return Array.from({ length: rounds }, (_, round) => lanes.flatMap((rows) => rows[round] ?? [])).flat();
}

function groupByLane(rows: readonly Candidate[]): ReadonlyMap<string, readonly Candidate[]> {
  const lanes = new Map<string, Candidate[]>();
  for (const row of rows) {
    const others = lanes.get(row.lane ?? NO_LANE);
    if (others === undefined) lanes.set(row.lane ?? NO_LANE, [row]);
    else others.push(row);
  }
  return lanes;
}

interface Counted {
  readonly _id: string | null;
  readonly count: number;
}

async function viewOf(base: Base, queue: QueueDocument, { fingerprints, now, lease }: Wanted): Promise<QueueView> {
  const byLane = { _id: "$lane", count: { $sum: 1 } };
  const due = { ...dueFilter([queue._id], fingerprints, now), cancel: { $exists: false } };
  const [claimable, leasedRows] = (await Promise.all([
    base.in.runs.aggregate([{ $match: due }, { $group: byLane }]).toArray(),
    base.in.runs.aggregate([{ $match: { queue: queue._id, lease: { $exists: true } } }, { $group: byLane }]).toArray(),
  ])) as unknown as readonly [readonly Counted[], readonly Counted[]];
  const leased = new Map<string, number>();
  const add = (lane: string, count: number): unknown => leased.set(lane, (leased.get(lane) ?? 0) + count);
  for (const { _id, count } of leasedRows) add(_id ?? NO_LANE, count);
  for (const grant of queue.grants ?? [])
    if (grant.lease !== lease) for (const { lane, count } of grant.lanes) add(lane, count);
  const rates = laneRates(queue);
  const lanes: LaneView[] = claimable.map(({ _id, count }) => {
    const lane = _id ?? NO_LANE;
    return { lane, claimable: count, leased: leased.get(lane) ?? 0, rate: rates.get(lane) ?? NO_CLAIMS };
  });
  return {
    leased: [...leased.values()].reduce((a, b) => a + b, 0),
    rate: rateOf(queue.rate, NO_CLAIMS),
    lanes: inTurn(lanes, queue.last),
  };
}

const laneRates = ({ lanes }: QueueDocument): Map<string, RateState> =>
  new Map(lanes === undefined ? [] : (JSON.parse(lanes) as [string, RateState][]));

/** By name, beginning after the lane that was served last. */
function inTurn(lanes: readonly LaneView[], last: string | undefined): readonly LaneView[] {
  const byName = [...lanes].sort((a, b) => (a.lane < b.lane ? -1 : 1));
  if (last === undefined) return byName;
  return [...byName.filter(({ lane }) => lane > last), ...byName.filter(({ lane }) => lane <= last)];
}

/** Writes down what is about to be leased. False = somebody else has claimed, or changed the rules, since we counted. */
export async function grant(
  base: Base,
  { queue, rules }: Offer,
  taken: readonly Candidate[],
  { token, lease, now }: { readonly token: string; readonly lease: string; readonly now: number },
): Promise<boolean> {
  const working = taken.filter(({ cancel }) => cancel === undefined);
  const counts = countByLane(taken);
  const served = countByLane(working);
  const rates = laneRates(queue);
  const laneRate = rules.lane?.rate;
  if (laneRate !== undefined) {
    for (const [lane, claims] of served)
      rates.set(lane, afterClaims(laneRate, rates.get(lane) ?? NO_CLAIMS, { now, claims }));
    for (const [lane, rate] of rates) if (emptyAt(rate) <= now) rates.delete(lane);
  }
  const mine: Grant = { token, lease, lanes: [...counts].map(([lane, count]) => ({ lane, count })) };
  const set = {
    grants: [...(queue.grants ?? []).filter((other) => other.lease !== lease), mine],
    ...(rules.rate !== undefined && {
      rate: JSON.stringify(afterClaims(rules.rate, rateOf(queue.rate, NO_CLAIMS), { now, claims: working.length })),
    }),
    ...(laneRate !== undefined && { lanes: JSON.stringify([...rates]) }),
    ...(served.size > 0 && { last: lastServed(served) }),
  };
  const { matchedCount } = await base.in.queues.updateOne(
    { _id: queue._id, v: queue.v },
    { $set: set, $inc: { v: 1 } },
  );
  return matchedCount === 1;
}

function countByLane(rows: readonly Candidate[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { lane = NO_LANE } of rows) counts.set(lane, (counts.get(lane) ?? 0) + 1);
  return counts;
}

/** The rows are leased, and count for themselves. False = the grant was taken away: the rows have to go back. */
export async function settle(base: Base, { queue }: Offer, token: string): Promise<boolean> {
  const filter = { _id: queue._id, grants: { $elemMatch: { token } } };
  const { matchedCount } = await base.in.queues.updateOne(filter, { $pull: { grants: { token } } });
  return matchedCount === 1;
}

/** When this queue has something for the worker: see `nextDue`. */
export async function nextDueOf(base: Base, queue: QueueDocument, wanted: Wanted): Promise<number | undefined> {
  const { fingerprints, now } = wanted;
  const rules = rulesOf(queue);
  const view = await viewOf(base, queue, wanted);
  const all = { queue: queue._id, fp: { $in: fingerprints } };
  const first = async (filter: Document): Promise<readonly { readonly due: number }[]> =>
    (await base.in.runs.find(filter, { projection: { due: 1 }, sort: { due: 1 }, limit: 1 }).toArray()) as readonly {
      readonly due: number;
    }[];
  const [stopping, later] = await Promise.all([
    first({ ...all, due: { $lte: now }, cancel: { $exists: true } }),
    first({ ...all, due: { $gt: now } }),
  ]);
  const times = [...stopping, ...later].map(({ due }) => due);
  const room = nextRoom(rules, view, now);
  if (room !== undefined) times.push(room);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** When the rules admit one of the rows that are due, if not only a freed place can help. */
function nextRoom(rules: QueueRules, view: QueueView, now: number): number | undefined {
  if (isFull(rules, view, now)) return undefined;
  const lanes = view.lanes.filter((lane) => !isFull(rules.lane ?? {}, lane, now));
  if (lanes.length === 0) return undefined;
  const { rate } = rules.lane ?? {};
  const first = rate === undefined ? now : Math.min(...lanes.map((lane) => roomAt(rate, lane.rate, now)));
  return Math.max(first, rules.rate === undefined ? now : roomAt(rules.rate, view.rate, now));
}

/** No place, whatever the rate says. */
const isFull = (
  { concurrency }: Pick<QueueRules, "concurrency">,
  { leased }: { readonly leased: number },
  now: number,
): boolean => roomOf(concurrency === undefined ? {} : { concurrency }, { leased, rate: NO_CLAIMS }, now) <= 0;
