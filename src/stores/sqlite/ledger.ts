import { NOTHING_SPENT, plus, type Spending } from "../../domain/quota.ts";
import type { Balance, Hold, HoldOutcome, Settlement } from "../../ports/ledger.ts";
import { denial, minus, refuseUnholdable } from "../../ports/new-hold.ts";
import { afterPrefix, fromSortable, sortable } from "../../ports/sortable-text.ts";
import type { Connection } from "./driver.ts";
import { AMOUNTS } from "./kept-schema.ts";
import { numberIn, textIn } from "./rows.ts";

/*
 * A batch is one transaction under the write lock: atomic as a whole, and no two processes look at an account and take from it at
 * the same time.
 */

/** Accounts forgotten per transaction: each may have many holds. */
export const ACCOUNTS_CHUNK = 20;

const SPENT = AMOUNTS.map((name) => `spent_${name}`).join(", ");
const HELD = AMOUNTS.map((name) => `held_${name}`).join(", ");
const MARKS = AMOUNTS.map(() => "?").join(", ");

const cells = (amount: Spending): readonly number[] => [
  amount.costMicroUsd,
  amount.inputTokens,
  amount.outputTokens,
  amount.requests,
  amount.toolCalls,
];

const amountIn = (row: unknown, prefix: "spent" | "held"): Spending => ({
  costMicroUsd: numberIn(row, `${prefix}_cost_micro_usd`),
  inputTokens: numberIn(row, `${prefix}_input_tokens`),
  outputTokens: numberIn(row, `${prefix}_output_tokens`),
  requests: numberIn(row, `${prefix}_requests`),
  toolCalls: numberIn(row, `${prefix}_tool_calls`),
});

type Sums = Pick<Balance, "spent" | "held">;

const FIND_SUMS = `SELECT ${SPENT}, ${HELD} FROM quota_accounts WHERE account = ?`;
const PUT_SUMS = `REPLACE INTO quota_accounts (account, ${SPENT}, ${HELD}, updated_at) VALUES (?, ${MARKS}, ${MARKS}, ?)`;

function sumsOf(db: Connection, account: string): Sums {
  const row = db.get(FIND_SUMS, account);
  if (row === undefined) return { spent: NOTHING_SPENT, held: NOTHING_SPENT };
  return { spent: amountIn(row, "spent"), held: amountIn(row, "held") };
}

const putSums = (db: Connection, account: string, { spent, held }: Sums, now: number): number =>
  db.run(PUT_SUMS, account, ...cells(spent), ...cells(held), now);

const KNOWN = "SELECT 1 AS yes FROM quota_holds WHERE account = ? AND id = ?";
const TAKE = `INSERT INTO quota_holds (account, id, ${HELD}, settled) VALUES (?, ?, ${MARKS}, 0)`;

/** Throws OPTION_INVALID before anything is held. */
export function hold(db: Connection, holds: readonly Hold[], now: number): readonly HoldOutcome[] {
  for (const one of holds) refuseUnholdable(one);
  return holds.map((one): HoldOutcome => {
    const [account, id] = [sortable(one.account), sortable(one.id)];
    if (db.get(KNOWN, account, id) !== undefined) return { status: "held" };
    const sums = sumsOf(db, account);
    const denied = denial(sums, one);
    if (denied !== undefined) return denied;
    db.run(TAKE, account, id, ...cells(one.amount));
    putSums(db, account, { ...sums, held: plus(sums.held, one.amount) }, now);
    return { status: "held" };
  });
}

const OPEN = `SELECT ${HELD} FROM quota_holds WHERE account = ? AND id = ? AND settled = 0`;
const SETTLE = "UPDATE quota_holds SET settled = 1 WHERE account = ? AND id = ?";

/** Throws OPTION_INVALID before anything is settled. */
export function settleHolds(db: Connection, settlements: readonly Settlement[], now: number): number {
  for (const { id, account, spent } of settlements) refuseUnholdable({ id, account, amount: spent });
  return settlements.filter(({ spent, ...one }) => {
    const [account, id] = [sortable(one.account), sortable(one.id)];
    const open = db.get(OPEN, account, id);
    if (open === undefined) return false;
    db.run(SETTLE, account, id);
    const sums = sumsOf(db, account);
    putSums(db, account, { spent: plus(sums.spent, spent), held: minus(sums.held, amountIn(open, "held")) }, now);
    return true;
  }).length;
}

const BALANCES = `SELECT account, ${SPENT}, ${HELD}, updated_at FROM quota_accounts WHERE account >= ?`;
const TO_END = `${BALANCES} ORDER BY account`;
const UNTIL = `${BALANCES} AND account < ? ORDER BY account`;

export function balances(db: Connection, prefix: string): readonly Balance[] {
  const from = sortable(prefix);
  const until = afterPrefix(from);
  return (until === undefined ? db.all(TO_END, from) : db.all(UNTIL, from, until)).map((row) => ({
    account: fromSortable(textIn(row, "account")),
    spent: amountIn(row, "spent"),
    held: amountIn(row, "held"),
    updatedAt: numberIn(row, "updated_at"),
  }));
}

const UNTOUCHED = "SELECT account FROM quota_accounts WHERE updated_at < ? LIMIT ?";

/** Each account goes together with its holds. */
export function pruneAccounts(db: Connection, untouchedSince: number, limit: number): number {
  const rows = db.all(UNTOUCHED, untouchedSince, limit);
  for (const row of rows) {
    const account = textIn(row, "account");
    db.run("DELETE FROM quota_holds WHERE account = ?", account);
    db.run("DELETE FROM quota_accounts WHERE account = ?", account);
  }
  return rows.length;
}
