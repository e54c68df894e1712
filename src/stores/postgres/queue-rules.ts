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
import type { Row, SqlValue } from "./driver.ts";
import { Columns } from "./columns.ts";
import { LANE_PARAMS, QUEUE_PARAMS } from "./claim-program.ts";
import { isNull, textIn } from "./rows.ts";

/** A governed queue as it is kept: its rules, the claims of its rate, and the turn that was served last. */
export interface Governed {
  readonly rules: QueueRules;
  readonly rate: RateState;
  /** "" before any was. */
  readonly last: string;
}

const PUT = `INSERT INTO flujo.queue_rules (queue, rules, rate, version) VALUES ($1, $2, $3, nextval('flujo.rule_versions'))
  ON CONFLICT (queue) DO UPDATE SET rules = excluded.rules, version = excluded.version`;
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
export function governedIn(row: Row): Governed {
  const at = `queue_rules of ${textIn(row, "queue")}`;
  return {
    rules: parsed(textIn(row, "rules"), at) as unknown as QueueRules,
    rate: parsed(textIn(row, "rate"), at) as unknown as RateState,
    last: textIn(row, "served"),
  };
}

export async function governedQueues(db: Database, queues: readonly string[]): Promise<readonly Governed[]> {
  const rows = await db.query("SELECT * FROM flujo.queue_rules WHERE queue = ANY($1::text[]) ORDER BY queue", [queues]);
  return rows.map(governedIn);
}

/** `state`: the column in which the claims of a lane's rate stand. */
export const rateStateIn = (row: Row, column: "state" | "rate" = "state"): RateState =>
  isNull(row, column) ? NO_CLAIMS : (parsed(textIn(row, column), "lane_rates.state") as unknown as RateState);

/**
 * Until when a claim may be charged as if it were made now: as long as the rates remember it alike. Charged to a part of the
 * period that is over it would be forgotten too early, and a claim of six within 447 ms passed for one within 500.
 */
export function chargedAlikeUntil(governed: readonly Governed[], now: number): number | null {
  const rates = governed.flatMap(({ rules }) => [rules.rate ?? [], rules.lane?.rate ?? []].flat());
  if (rates.length === 0) return null;
  return Math.min(...rates.map((rate) => emptyAt(afterClaims(rate, NO_CLAIMS, { now, claims: 1 })) - rate.perMs));
}

interface Chosen {
  readonly queue: string;
  readonly lane?: { readonly lane: string; readonly rate: RateState };
}

/** What taking these rows changes in the queues that they come from: for the rates, and for whose turn is next. */
export function chargesFor(
  governed: readonly (Governed & { readonly version: number })[],
  chosen: readonly Chosen[],
  now: number,
): Record<string, SqlValue> {
  const values: Record<string, SqlValue> = {};
  const queues = new Columns("q", QUEUE_PARAMS);
  const lanes = new Columns("l", LANE_PARAMS);
  for (const { rules, rate, last, version } of governed) {
    const own = chosen.filter(({ queue }) => queue === rules.queue);
    if (own.length === 0) continue;
    const turns = own.flatMap(({ lane }) => lane ?? []);
    const after = rules.rate === undefined ? rate : afterClaims(rules.rate, rate, { now, claims: turns.length });
    queues.add(rules.queue, version, json(after), turns.at(-1)?.lane ?? last);
    const laneRate = rules.lane?.rate;
    if (laneRate === undefined) continue;
    const counts = new Map<string, number>();
    for (const { lane } of turns) counts.set(lane, (counts.get(lane) ?? 0) + 1);
    const before = new Map(turns.map((turn) => [turn.lane, turn.rate]));
    for (const [lane, count] of counts) {
      const state = afterClaims(laneRate, before.get(lane) ?? NO_CLAIMS, { now, claims: count });
      const at = roomAt(laneRate, state, now);
      lanes.add(rules.queue, lane, json(state), at > now ? at : 0, emptyAt(state));
    }
  }
  queues.writeTo(values);
  lanes.writeTo(values);
  return values;
}
