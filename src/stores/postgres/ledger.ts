import type { Spending, Unit } from "../../domain/quota.ts";
import type { Balance, Hold, HoldOutcome } from "../../ports/ledger.ts";
import { refuseUnholdable } from "../../ports/new-hold.ts";
import { afterPrefix, fromSortable, sortable } from "../../ports/sortable-text.ts";
import { json } from "../../ports/stored-text.ts";
import { amountCells, amountIn } from "./amounts.ts";
import { Columns } from "./columns.ts";
import type { Database } from "./database.ts";
import type { Row, SqlValue } from "./driver.ts";
import { rowError } from "./errors.ts";
import { FORGET_ACCOUNTS, FORGOTTEN, HOLD, HOLD_PARAMS, SETTLE, SETTLE_PARAMS } from "./ledger-programs.ts";
import type { Program } from "./program.ts";
import { isNull, numberIn, textIn } from "./rows.ts";
import { segmentsOf } from "./segments.ts";

/*
 * A batch is one call, and atomic as a whole; what it decides of each hold is as if they came one after another. Only a hold that a
 * batch names twice needs a second call.
 */

interface Settlement {
  readonly id: string;
  readonly account: string;
  readonly spent: Spending;
}

const HELD: HoldOutcome = Object.freeze({ status: "held" });

const nameOf = ({ account, id }: Pick<Hold, "account" | "id">): string => json([account, id]);

export async function hold(db: Database, holds: readonly Hold[], now: number | null): Promise<readonly HoldOutcome[]> {
  for (const one of holds) refuseUnholdable(one);
  const outcomes: HoldOutcome[] = [];
  for (const segment of segmentsOf(holds, nameOf)) outcomes.push(...(await holdSegment(db, segment, now)));
  return outcomes;
}

async function holdSegment(
  db: Database,
  segment: readonly Hold[],
  now: number | null,
): Promise<readonly HoldOutcome[]> {
  const columns = new Columns("h", HOLD_PARAMS);
  for (const { account, id, amount, limits } of segment) {
    const { costMicroUsd, inputTokens, outputTokens, totalTokens, requests, toolCalls } = limits;
    const most = [costMicroUsd, inputTokens, outputTokens, totalTokens, requests, toolCalls];
    columns.add(sortable(account), sortable(id), ...amountCells(amount), ...most.map((limit) => limit ?? null));
  }
  const values: Record<string, SqlValue> = { now };
  columns.writeTo(values);
  const rows = await runAll(db, HOLD, values);
  const outcomes = new Map(rows.map((row) => [numberIn(row, "n"), row]));
  return segment.map((one, i) => outcomeOf(one, outcomes.get(i + 1)));
}

/** Never taken for held by mistake: what nothing was said of is an error. */
function outcomeOf({ account, id }: Hold, row: Row | undefined): HoldOutcome {
  if (row === undefined) throw new Error(`${HOLD.name} answered nothing about the hold ${id} on ${account}`);
  if (isNull(row, "unit")) return HELD;
  return { status: "denied", unit: textIn(row, "unit") as Unit, left: numberIn(row, "rest") };
}

/** Of several ends of one hold the first counts. */
export async function settleHolds(
  db: Database,
  settlements: readonly Settlement[],
  now: number | null,
): Promise<number> {
  const first = new Map<string, Settlement>();
  for (const one of settlements) {
    refuseUnholdable({ id: one.id, account: one.account, amount: one.spent });
    const name = nameOf(one);
    if (!first.has(name)) first.set(name, one);
  }
  if (first.size === 0) return 0;
  const columns = new Columns("s", SETTLE_PARAMS);
  for (const { account, id, spent } of first.values())
    columns.add(sortable(account), sortable(id), ...amountCells(spent));
  const values: Record<string, SqlValue> = { now };
  columns.writeTo(values);
  const [row = {}] = await runAll(db, SETTLE, values);
  return numberIn(row, "settled");
}

/** A hold has no place for a fault of its own: whoever asks for one that cannot be stored hears it, and nothing is taken. */
async function runAll(db: Database, program: Program, values: Record<string, SqlValue>): Promise<readonly Row[]> {
  try {
    return await db.run(program, values);
  } catch (error) {
    throw rowError(error, "these holds", db.where);
  }
}

export async function balances(db: Database, prefix = ""): Promise<readonly Balance[]> {
  const from = sortable(prefix);
  const until = afterPrefix(from);
  const rows = await db.query(
    `SELECT * FROM flujo.quota_accounts WHERE account >= $1 ${until === undefined ? "" : "AND account < $2"} ORDER BY account`,
    until === undefined ? [from] : [from, until],
  );
  return rows.map((row) => ({
    account: fromSortable(textIn(row, "account")),
    spent: amountIn(row, "spent"),
    held: amountIn(row, "held"),
    updatedAt: numberIn(row, "updated_at"),
  }));
}

export async function pruneAccounts(db: Database, untouchedSince: number): Promise<number> {
  for (let pruned = 0, after = ""; ; ) {
    const [row = {}] = await db.run(FORGET_ACCOUNTS, { since: untouchedSince, after });
    const forgotten = numberIn(row, "forgotten");
    pruned += forgotten;
    if (forgotten < FORGOTTEN) return pruned;
    after = textIn(row, "last");
  }
}
