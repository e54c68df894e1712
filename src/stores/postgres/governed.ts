import { admit, type LaneView, mergeOffers, type Offered, roomAt, roomOf } from "../../ports/queue-rules.ts";
import type { ClaimRequest, LeasedFiber } from "../../ports/queue.ts";
import { storable } from "../../ports/stored-text.ts";
import { type Ask, leased } from "./claim.ts";
import { GIVE_TURNS, NEXT_DUE, NEXT_UNSEEN, OFFER, TAKE_THESE } from "./claim-program.ts";
import type { Database } from "./database.ts";
import type { Row } from "./driver.ts";
import { BEST_OF_LANES, CLAIMABLE, LEASED, OPEN_LANES } from "./lane-programs.ts";
import { charge, type Governed, governedQueues, rateStateIn } from "./queue-rules.ts";
import { CLOCK } from "./read.ts";
import { isNull, numberIn, textIn, textsIn } from "./rows.ts";

/*
 * A claim that names a governed queue is a transaction of several statements: it locks the queue, so that claims of one queue
 * take turns, looks at its lanes, decides with the rules of the port, and takes. A claim of a hundred rows costs about as many
 * round trips as a claim of one, so workers do well to claim in batches.
 */

/** Rows that one claim gives their turn: 2,000 take about 30 ms. */
const TURNS_AT_ONCE = 2_000;
/** Lanes that are asked for at once, unless fewer fill the claim. */
const LANES_AT_ONCE = 500;
const NEVER = Number.POSITIVE_INFINITY;
/** Later than any instant: lanes whose rate is used up are seen, too. */
const ANY_TIME = Number.MAX_SAFE_INTEGER;

type Wanted = Pick<ClaimRequest, "fingerprints">;

/** A row that a claim may take. Without a turn it is outside the rules. */
interface Candidate extends Offered {
  readonly run: string;
  readonly key: string;
  readonly turn?: string;
  readonly from?: Governed;
}

export async function claimGoverned(
  db: Database,
  { worker, epoch, queues, fingerprints, limit }: ClaimRequest,
  given: number | null,
): Promise<readonly LeasedFiber[]> {
  const names = queues.map(storable);
  return db.transaction(async (client) => {
    const [lease] = await db.queryIn(client, LEASE, [worker, epoch]);
    if (lease === undefined) return [];
    const governed = await governedQueues(db, names, client);
    const [clock] = await db.queryIn(client, `SELECT ${CLOCK} AS now`, [given]);
    const now = clock === undefined ? 0 : numberIn(clock, "now");
    const ask: Ask = (program, values) => db.runIn(client, program, values);
    const ruled = new Set(governed.map(({ rules }) => storable(rules.queue)));
    const free = names.filter((name) => !ruled.has(name));
    const offers = [await plainOffer(ask, { queues: free, fingerprints, size: limit, now })];
    for (const one of governed) {
      await ask(GIVE_TURNS, { now, queues: [one.rules.queue], fingerprints, size: TURNS_AT_ONCE });
      offers.push(await offerOf(ask, one, { fingerprints, limit }, now));
    }
    const chosen = mergeOffers(offers, limit);
    if (chosen.length === 0) return [];
    const rows = await ask(TAKE_THESE, {
      now,
      worker,
      epoch,
      runs: chosen.map(({ run }) => run),
      keys: chosen.map(({ key }) => key),
    });
    const taken = new Set(rows.map((row) => `${textIn(row, "run")}/${textIn(row, "key")}`));
    for (const one of governed) {
      const turns = chosen.flatMap(({ run, key, turn, from }) =>
        from === one && turn !== undefined && taken.has(`${run}/${key}`) ? [turn] : [],
      );
      await charge(db, client, one, { turns, now });
    }
    return inOrder(chosen, await leased(rows, ask));
  });
}

const LEASE = "SELECT 1 AS alive FROM flujo.workers WHERE id = $1 AND epoch = $2::int8 FOR SHARE";

/** Rows as they were chosen: the turns of lanes are the order of a governed queue. */
function inOrder(chosen: readonly Candidate[], fibers: readonly LeasedFiber[]): readonly LeasedFiber[] {
  const found = new Map(fibers.map((fiber) => [`${fiber.run}/${fiber.key}`, fiber]));
  return chosen.flatMap(({ run, key }) => found.get(`${run}/${key}`) ?? []);
}

const candidate = (row: Row): Candidate => ({
  run: textIn(row, "run"),
  key: textIn(row, "key"),
  priority: numberIn(row, "priority"),
  readyAt: numberIn(row, "ready_at"),
});

/** Rows to which no rules apply. */
async function plainOffer(
  ask: Ask,
  request: Wanted & { readonly queues: readonly string[]; readonly size: number; readonly now: number },
): Promise<readonly Candidate[]> {
  return request.queues.length === 0 ? [] : (await ask(OFFER, { ...request })).map(candidate);
}

/** What a governed queue has for a claim: first what is to stop, then its lanes in turn. */
async function offerOf(
  ask: Ask,
  governed: Governed,
  { fingerprints, limit }: Wanted & { readonly limit: number },
  now: number,
): Promise<readonly Candidate[]> {
  const { rules, rate } = governed;
  const stopping = await plainOffer(ask, { queues: [rules.queue], fingerprints, size: limit, now });
  const held = await leasedIn(ask, governed);
  const room = Math.min(limit, roomOf(rules, { leased: held, rate }, now));
  if (room <= 0) return stopping;
  const open: OpenLane[] = [];
  for await (const lane of openLanes(ask, governed, { fingerprints, at: now, size: room })) {
    if (roomOf(rules.lane ?? {}, lane, now) > 0) open.push(lane);
    if (open.length === room) break; // one of each fills the claim
  }
  const lanes = await withClaimable(ask, rules.queue, open, { fingerprints, limit: room });
  const admitted = admit(rules, { leased: held, rate, lanes }, limit, now);
  return [...stopping, ...(await inTurn(ask, governed, fingerprints, admitted))];
}

async function leasedIn(ask: Ask, { rules: { queue, concurrency } }: Governed): Promise<number> {
  if (concurrency === undefined) return 0;
  const [row] = await ask(LEASED, { queue });
  return row === undefined ? 0 : numberIn(row, "leased");
}

type OpenLane = Omit<LaneView, "claimable">;

/** Lanes that wait and have a free place, in the order of turns, from the one after the last that was served. */
async function* openLanes(
  ask: Ask,
  { rules, last }: Governed,
  { fingerprints, at, size }: Wanted & { readonly at: number; readonly size: number },
): AsyncGenerator<OpenLane> {
  const request = { queue: rules.queue, fingerprints, places: rules.lane?.concurrency ?? null, at };
  const rounds =
    last === undefined
      ? [[null, null]]
      : [
          [last, null],
          [null, last],
        ];
  for (const [from, upto] of rounds) {
    for (let after = from ?? null; ; ) {
      const page = Math.min(size, LANES_AT_ONCE);
      const rows = await ask(OPEN_LANES, { ...request, after, upto: upto ?? null, size: page });
      for (const row of rows) {
        after = textIn(row, "turn");
        yield { lane: after, leased: numberIn(row, "leased"), rate: rateStateIn(row) };
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
  const rows = await ask(CLAIMABLE, { queue, fingerprints, turns: lanes.map(({ lane }) => lane), size: limit });
  const waiting = new Map(rows.map((row) => [textIn(row, "turn"), numberIn(row, "waiting")]));
  return lanes.map((lane) => ({ ...lane, claimable: waiting.get(lane.lane) ?? 0 }));
}

/** The best rows of the lanes that were admitted: the first of each, then the second of each. */
async function inTurn(
  ask: Ask,
  governed: Governed,
  fingerprints: readonly string[],
  admitted: ReadonlyMap<string, number>,
): Promise<readonly Candidate[]> {
  if (admitted.size === 0) return [];
  const rows = await ask(BEST_OF_LANES, {
    queue: governed.rules.queue,
    fingerprints,
    turns: [...admitted.keys()],
    counts: [...admitted.values()],
  });
  const lanes = new Map<string, Candidate[]>([...admitted.keys()].map((turn) => [turn, []]));
  for (const row of rows) {
    const turn = textIn(row, "turn");
    lanes.get(turn)?.push({ ...candidate(row), turn, from: governed });
  }
  const rounds = Math.max(...admitted.values());
  return Array.from({ length: rounds }, (_, round) => [...lanes.values()].flatMap((lane) => lane[round] ?? [])).flat();
}

export async function nextDue(
  db: Database,
  { queues, fingerprints }: Pick<ClaimRequest, "queues" | "fingerprints">,
  given: number | null,
): Promise<number | undefined> {
  if (queues.length === 0 || fingerprints.length === 0) return undefined;
  const ask: Ask = (program, values) => db.run(program, values);
  const [row = {}] = await ask(NEXT_DUE, { queues: queues.map(storable), fingerprints });
  let next = isNull(row, "ready_at") ? NEVER : numberIn(row, "ready_at");
  const ruled = textsIn(row, "ruled");
  for (const one of ruled.length === 0 ? [] : await governedQueues(db, ruled)) {
    const [clock] = await db.query(`SELECT ${CLOCK} AS now`, [given]);
    next = Math.min(next, await nextGoverned(ask, one, fingerprints, clock === undefined ? 0 : numberIn(clock, "now")));
  }
  return next === NEVER ? undefined : next;
}

/** The earliest row of a governed queue that has no turn: due later, or to be stopped. */
async function nextUnseen(ask: Ask, wanted: Pick<ClaimRequest, "queues" | "fingerprints">): Promise<number> {
  const [row = {}] = await ask(NEXT_UNSEEN, { ...wanted });
  return isNull(row, "ready_at") ? NEVER : numberIn(row, "ready_at");
}

/** When a claim can take something of a governed queue, if not only a freed place can help. */
async function nextGoverned(
  ask: Ask,
  governed: Governed,
  fingerprints: Wanted["fingerprints"],
  now: number,
): Promise<number> {
  const { rules, rate } = governed;
  const queues = [rules.queue];
  let next = await nextUnseen(ask, { queues, fingerprints });
  if (next <= now) {
    await ask(GIVE_TURNS, { now, queues, fingerprints, size: TURNS_AT_ONCE });
    next = await nextUnseen(ask, { queues, fingerprints });
  }
  if ((await leasedIn(ask, governed)) >= (rules.concurrency ?? NEVER)) return next;
  const queueAt = rules.rate === undefined ? now : roomAt(rules.rate, rate, now);
  return Math.min(next, Math.max(queueAt, await nextLane(ask, governed, fingerprints, { now, enough: queueAt })));
}

/** When the first lane with a free place has room in its rate, too. Earlier than `enough` is no better. */
async function nextLane(
  ask: Ask,
  governed: Governed,
  fingerprints: Wanted["fingerprints"],
  { now, enough }: { readonly now: number; readonly enough: number },
): Promise<number> {
  const { rules } = governed;
  let next = NEVER;
  for await (const lane of openLanes(ask, governed, { fingerprints, at: ANY_TIME, size: LANES_AT_ONCE })) {
    next = Math.min(next, rules.lane?.rate === undefined ? now : roomAt(rules.lane.rate, lane.rate, now));
    if (next <= enough) break;
  }
  return next;
}
