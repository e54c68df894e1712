import { admit, type LaneView, type Offered, type RateState, roomOf } from "../../ports/queue-rules.ts";
import type { ClaimRequest } from "../../ports/queue.ts";
import type { Ask } from "./claim.ts";
import type { Row } from "./driver.ts";
import { BEST_OF_LANES, CLAIMABLE, OPEN_LANES } from "./lane-programs.ts";
import type { Looked } from "./look.ts";
import { type Governed, rateStateIn } from "./queue-rules.ts";
import { numberIn, textIn } from "./rows.ts";

/*
 * What a governed queue offers in turn. Most claims find it among the first rows that wait: each lane is there with a row or two.
 * Where few lanes have many rows, or the first ones are full, the lanes are found by a loose scan, and then their best rows.
 */

/** Rows that one claim gives their turn: 2,000 take about 30 ms. */
export const TURNS_AT_ONCE = 2_000;
/** Lanes that are asked for at once, unless fewer fill the claim. */
export const LANES_AT_ONCE = 500;
/** Behind a lane, and before each that follows it. Lanes hold no NUL. */
const NEXT = "\u0001";

export type Wanted = Pick<ClaimRequest, "fingerprints">;

/** A row that a claim may take. Without a lane it is outside the rules. */
export interface Candidate extends Offered {
  readonly run: string;
  readonly key: string;
  readonly queue: string;
  readonly lane?: OpenLane;
}

export interface OpenLane {
  readonly lane: string;
  readonly leased: number;
  readonly rate: RateState;
}

export const candidate = (row: Row, queue: string): Candidate => ({
  run: textIn(row, "run"),
  key: textIn(row, "key"),
  queue,
  priority: numberIn(row, "priority"),
  readyAt: numberIn(row, "ready_at"),
});

/** Rows of a governed queue that a claim may take, in their turn. */
export async function inTurn(
  ask: Ask,
  looked: Looked,
  { fingerprints, limit }: Wanted & { readonly limit: number },
  now: number,
): Promise<readonly Candidate[]> {
  const { rules, rate, leased } = looked;
  const room = Math.min(limit, roomOf(rules, { leased, rate }, now));
  if (room <= 0) return [];
  const seen = firstRows(looked, { fingerprints, room }, now);
  if (seen !== undefined) {
    const lanes = [...seen].map(([{ lane, leased: held, rate: own }, rows]) => ({
      ...{ lane, leased: held, rate: own, claimable: rows.length },
    }));
    const admitted = admit(rules, { leased, rate, lanes }, limit, now);
    const rows = new Map([...seen].map(([{ lane }, own]) => [lane, own]));
    return byRounds([...admitted].map(([lane, count]) => rows.get(lane)?.slice(0, count) ?? []));
  }
  const open: OpenLane[] = [];
  for await (const lane of openLanes(ask, looked, { fingerprints, at: now, size: room })) {
    if (roomOf(rules.lane ?? {}, lane, now) > 0) open.push(lane);
    if (open.length === room) break; // one of each fills the claim
  }
  const lanes = await withClaimable(ask, rules.queue, open, { fingerprints, limit: room });
  return bestOf(
    ask,
    open,
    { ...{ fingerprints, queue: rules.queue } },
    admit(rules, { leased, rate, lanes }, limit, now),
  );
}

/**
 * The rows of each open lane, best first, if those that were looked at are enough to decide: all that wait, or one for each place
 * of the claim. What was cut off may have had a better row of another definition in the last lane.
 */
function firstRows(
  { rules, page, whole }: Looked,
  { fingerprints, room }: Wanted & { readonly room: number },
  now: number,
): ReadonlyMap<OpenLane, readonly Candidate[]> | undefined {
  const lanes = new Map<OpenLane, readonly Candidate[]>();
  const seen = whole || fingerprints.length === 1 ? page : page.slice(0, -1);
  for (const { lane, rows } of seen) {
    if (rows.length === 0 || roomOf(rules.lane ?? {}, lane, now) <= 0) continue;
    lanes.set(lane, rows);
    if (lanes.size === room) return lanes; // one of each fills the claim
  }
  return whole ? lanes : undefined;
}

/** Lanes that wait and have a free place, in the order of turns, from the one after the last that was served. */
export async function* openLanes(
  ask: Ask,
  { rules, last }: Pick<Governed, "rules" | "last">,
  { fingerprints, at, size }: Wanted & { readonly at: number; readonly size: number },
): AsyncGenerator<OpenLane> {
  const request = { queue: rules.queue, fingerprints, places: rules.lane?.concurrency ?? null, at };
  const rounds = [
    { first: last + NEXT, upto: null },
    { first: "", upto: last },
  ];
  for (const { first, upto } of rounds) {
    for (let from = first; ; ) {
      const page = Math.min(size, LANES_AT_ONCE);
      const rows = await ask(OPEN_LANES, { ...request, from, upto, size: page });
      for (const row of rows) {
        const lane = textIn(row, "turn");
        from = lane + NEXT;
        yield { lane, leased: numberIn(row, "leased"), rate: rateStateIn(row) };
      }
      if (rows.length < page) break;
    }
  }
}

/** One row of each is known to wait; how many more is only asked where it matters. */
async function withClaimable(
  ask: Ask,
  queue: string,
  lanes: readonly OpenLane[],
  { fingerprints, limit }: Wanted & { readonly limit: number },
): Promise<readonly LaneView[]> {
  if (lanes.length >= limit) return lanes.map((lane) => ({ ...lane, claimable: 1 }));
  if (lanes.length === 0) return [];
  const rows = await ask(CLAIMABLE, { queue, fingerprints, turns: lanes.map(({ lane }) => lane), size: limit });
  const waiting = new Map(rows.map((row) => [textIn(row, "turn"), numberIn(row, "waiting")]));
  return lanes.map((lane) => ({ ...lane, claimable: waiting.get(lane.lane) ?? 0 }));
}

/** The best rows of the lanes that were admitted. */
async function bestOf(
  ask: Ask,
  lanes: readonly OpenLane[],
  { fingerprints, queue }: Wanted & { readonly queue: string },
  admitted: ReadonlyMap<string, number>,
): Promise<readonly Candidate[]> {
  if (admitted.size === 0) return [];
  const [turns, counts] = [[...admitted.keys()], [...admitted.values()]];
  const rows = await ask(BEST_OF_LANES, { queue, fingerprints, turns, counts });
  const open = new Map(lanes.map((lane) => [lane.lane, lane]));
  const best = new Map<string, Candidate[]>(turns.map((turn) => [turn, []]));
  for (const row of rows) {
    const lane = open.get(textIn(row, "turn"));
    if (lane !== undefined) best.get(lane.lane)?.push({ ...candidate(row, queue), lane });
  }
  return byRounds([...best.values()]);
}

/** The first of each lane, then the second of each. */
function byRounds(lanes: readonly (readonly Candidate[])[]): readonly Candidate[] {
  const rounds = Math.max(0, ...lanes.map(({ length }) => length));
  return Array.from({ length: rounds }, (_, round) => lanes.flatMap((lane) => lane[round] ?? [])).flat();
}
