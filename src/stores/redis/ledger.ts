import { amountOf, type Allowance, type Spending, UNITS } from "../../domain/quota.ts";
import type { Balance, Hold, HoldOutcome, Settlement } from "../../ports/ledger.ts";
import { refuseUnholdable } from "../../ports/new-hold.ts";
import { fromSortable, sortable } from "../../ports/sortable-text.ts";
import { storable } from "../../ports/stored-text.ts";
import { num } from "./encode.ts";
import { rangeOf } from "./items.ts";
import { listIn, numberIn, textIn } from "./rows.ts";
import { type Session, STEP } from "./session.ts";

/*
 * The quota ledger. One script for a batch, or a few where it is large: each script is atomic. A batch whose answer was lost may be
 * sent again: holds and settlements that were done change nothing. lua/ledger.ts says where accounts lie.
 */

const amounts = (spending: Spending): string => UNITS.map((unit) => num(amountOf(spending, unit))).join(" ");

const limitsText = (limits: Allowance): string =>
  UNITS.map((unit) => {
    const limit = limits[unit];
    return limit === undefined ? "-" : num(limit);
  }).join(" ");

export async function hold(session: Session, holds: readonly Hold[]): Promise<readonly HoldOutcome[]> {
  for (const one of holds) refuseUnholdable(one);
  const outcomes: HoldOutcome[] = [];
  for (let at = 0; at < holds.length; at += STEP) {
    const args = holds
      .slice(at, at + STEP)
      .flatMap(({ account, id, amount, limits }) => [
        sortable(account),
        storable(id),
        amounts(amount),
        limitsText(limits),
      ]);
    outcomes.push(...listIn(await session.read("hold", ...args)).map(outcomeOf));
  }
  return outcomes;
}

/** From nothing, or { place of the unit from 1, left }. */
function outcomeOf(answer: unknown): HoldOutcome {
  const [place, left] = listIn(answer).map(numberIn);
  const unit = place === undefined ? undefined : UNITS[place - 1];
  return unit === undefined ? { status: "held" } : { status: "denied", unit, left: left ?? 0 };
}

export async function settleHolds(session: Session, holds: readonly Settlement[]): Promise<number> {
  for (const { id, account, spent } of holds) refuseUnholdable({ id, account, amount: spent });
  let count = 0;
  for (let at = 0; at < holds.length; at += STEP) {
    const args = holds
      .slice(at, at + STEP)
      .flatMap(({ account, id, spent }) => [sortable(account), storable(id), amounts(spent)]);
    count += numberIn(await session.read("settleHolds", ...args));
  }
  return count;
}

/** Accounts are read so many at a time: each is as it was at one instant, all of them together are not. */
export async function balances(session: Session, prefix: string): Promise<readonly Balance[]> {
  const found: Balance[] = [];
  for (;;) {
    const range = rangeOf(prefix, found.at(-1)?.account);
    const some = listIn(await session.read("balances", ...range, num(STEP)));
    found.push(...some.map(balance));
    if (some.length < STEP) return found;
  }
}

/** From { account, instant, spent, held }. */
function balance(answer: unknown): Balance {
  const [account = "", at = "", spent = "", held = ""] = listIn(answer).map(textIn);
  return { account: fromSortable(account), spent: spending(spent), held: spending(held), updatedAt: Number(at) };
}

function spending(text: string): Spending {
  const numbers = text.split(" ").map(Number);
  const of = (unit: keyof Spending): number => numbers[UNITS.indexOf(unit)] ?? 0;
  return {
    costMicroUsd: of("costMicroUsd"),
    inputTokens: of("inputTokens"),
    outputTokens: of("outputTokens"),
    requests: of("requests"),
    toolCalls: of("toolCalls"),
  };
}

export async function pruneAccounts(session: Session, untouchedSince: number): Promise<number> {
  for (let count = 0; ; ) {
    const pruned = numberIn(await session.read("pruneAccounts", num(untouchedSince), num(STEP)));
    count += pruned;
    if (pruned < STEP) return count;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
