import {
  afterClaims,
  checkRules,
  emptyAt,
  isGoverned,
  NO_CLAIMS,
  type QueueRules,
  type RateState,
  roomAt,
} from "../../ports/queue-rules.ts";
import { json, parsed } from "../../ports/stored-text.ts";
import type { Database } from "./database.ts";
import type { PgClient, Row } from "./driver.ts";
import { isNull, textIn, textOrNull } from "./rows.ts";

/** A governed queue as it is kept: its rules, the claims of its rate, and the turn that was served last. */
export interface Governed {
  readonly rules: QueueRules;
  readonly rate: RateState;
  readonly last: string | undefined;
}

const PUT = `INSERT INTO flujo.queue_rules (queue, rules, rate) VALUES ($1, $2, $3)
  ON CONFLICT (queue) DO UPDATE SET rules = excluded.rules`;
const FORGET_FULL = "UPDATE flujo.lane_rates SET room_at = 0 WHERE queue = $1"; // the new rate says how much is full
const MARK_LEASED = "UPDATE flujo.fibers SET turn = lane WHERE owner IS NOT NULL AND turn IS NULL AND queue = $1";
const FREE = "DELETE FROM flujo.queue_rules WHERE queue = $1";
const FORGET_LANES = "DELETE FROM flujo.lane_rates WHERE queue = $1";
const UNMARK = "UPDATE flujo.fibers SET turn = NULL WHERE turn IS NOT NULL AND queue = $1";

/** The row of a queue is the lock of its rules: claims wait in line at it, one queue after another by name. */
export async function putRules(db: Database, rules: readonly QueueRules[]): Promise<void> {
  const last = new Map(checkRules(rules).map((one) => [one.queue, one]));
  const inOrder = [...last.values()].sort((a, b) => (a.queue < b.queue ? -1 : 1));
  await db.transaction(async (client) => {
    for (const one of inOrder) {
      if (isGoverned(one)) {
        await db.queryIn(client, PUT, [one.queue, json(one), json(NO_CLAIMS)]);
        for (const sql of [FORGET_FULL, MARK_LEASED]) await db.queryIn(client, sql, [one.queue]);
      } else {
        for (const sql of [FREE, FORGET_LANES, UNMARK]) await db.queryIn(client, sql, [one.queue]);
      }
    }
  });
}

export async function readRules(db: Database): Promise<readonly QueueRules[]> {
  return (await db.query("SELECT * FROM flujo.queue_rules ORDER BY queue")).map((row) => governedIn(row).rules);
}

/** Checked when they were put. */
function governedIn(row: Row): Governed {
  const at = `queue_rules of ${textIn(row, "queue")}`;
  return {
    rules: parsed(textIn(row, "rules"), at) as unknown as QueueRules,
    rate: parsed(textIn(row, "rate"), at) as unknown as RateState,
    last: textOrNull(row, "served") ?? undefined,
  };
}

/** Rules of these queues; inside a transaction the queues are locked, so that claims of one take turns. */
export async function governedQueues(
  db: Database,
  queues: readonly string[],
  client?: PgClient,
): Promise<readonly Governed[]> {
  const sql = "SELECT * FROM flujo.queue_rules WHERE queue = ANY($1::text[]) ORDER BY queue";
  const rows =
    client === undefined ? await db.query(sql, [queues]) : await db.queryIn(client, `${sql} FOR UPDATE`, [queues]);
  return rows.map(governedIn);
}

export const rateStateIn = (row: Row): RateState =>
  isNull(row, "state") ? NO_CLAIMS : (parsed(textIn(row, "state"), "lane_rates.state") as unknown as RateState);

const SERVED = "UPDATE flujo.queue_rules SET rate = $2, served = $3 WHERE queue = $1";
const LANE_RATES = "SELECT turn, state FROM flujo.lane_rates WHERE queue = $1 AND turn = ANY($2::text[])";
const KEEP_LANE_RATES = `
  INSERT INTO flujo.lane_rates (queue, turn, state, room_at, empty_at)
  SELECT $1, turn, state, room_at, empty_at FROM unnest($2::text[], $3::text[], $4::float8[], $5::float8[]) AS g (turn, state, room_at, empty_at)
  ON CONFLICT (queue, turn) DO UPDATE SET state = excluded.state, room_at = excluded.room_at, empty_at = excluded.empty_at`;
const FORGET_IDLE = "DELETE FROM flujo.lane_rates WHERE empty_at <= $1::float8"; // lanes that idled for a period

/** Remembers which turns were served, in this order: for the rates, and for whose turn is next. */
export async function charge(
  db: Database,
  client: PgClient,
  { rules, rate }: Governed,
  { turns, now }: { readonly turns: readonly string[]; readonly now: number },
): Promise<void> {
  const last = turns.at(-1);
  if (last === undefined) return;
  const after = rules.rate === undefined ? rate : afterClaims(rules.rate, rate, { now, claims: turns.length });
  await db.queryIn(client, SERVED, [rules.queue, json(after), last]);
  const laneRate = rules.lane?.rate;
  if (laneRate === undefined) return;
  await db.queryIn(client, FORGET_IDLE, [now]);
  const claims = new Map<string, number>();
  for (const turn of turns) claims.set(turn, (claims.get(turn) ?? 0) + 1);
  const known = await db.queryIn(client, LANE_RATES, [rules.queue, [...claims.keys()]]);
  const before = new Map(known.map((row) => [textIn(row, "turn"), rateStateIn(row)]));
  const states = [...claims].map(([turn, count]) =>
    afterClaims(laneRate, before.get(turn) ?? NO_CLAIMS, { now, claims: count }),
  );
  const roomAts = states.map((state) => roomAt(laneRate, state, now));
  await db.queryIn(client, KEEP_LANE_RATES, [
    rules.queue,
    [...claims.keys()],
    states.map(json),
    roomAts.map((at) => (at > now ? at : 0)),
    states.map(emptyAt),
  ]);
}
