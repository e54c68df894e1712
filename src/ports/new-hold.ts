import { FlujoError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { amountOf, type Spending, type Unit, UNITS } from "../domain/quota.ts";
import type { Balance, Hold, HoldOutcome } from "./ledger.ts";

/** Throws OPTION_INVALID for names that no store can keep, and for amounts that are no whole numbers from 0. */
export function refuseUnholdable({ id, account, amount }: Pick<Hold, "id" | "account" | "amount">): void {
  refuseLength("account", account, LIMITS.keyCharacters);
  refuseLength("id of a hold", id, LIMITS.holdIdCharacters);
  for (const [unit, value] of Object.entries(amount) as readonly (readonly [string, number])[]) {
    if (Number.isSafeInteger(value) && value >= 0) continue;
    throw new FlujoError("OPTION_INVALID", `${unit} of ${account}: expected a whole number from 0 but found ${value}`);
  }
}

function refuseLength(what: string, name: string, limit: number): void {
  if (name.length >= 1 && name.length <= limit) return;
  throw new FlujoError("OPTION_INVALID", `${what}: expected 1 to ${limit} characters but found ${name.length}`);
}

/** The first unit of which the account has not enough left, and what it has of it: 0 where more was spent than allowed. */
export function denial(
  { spent, held }: Pick<Balance, "spent" | "held">,
  { amount, limits }: Pick<Hold, "amount" | "limits">,
): (HoldOutcome & { readonly status: "denied" }) | undefined {
  const used = (unit: Unit): number => amountOf(spent, unit) + amountOf(held, unit);
  for (const unit of UNITS) {
    const limit = limits[unit];
    if (limit !== undefined && used(unit) + amountOf(amount, unit) > limit)
      return { status: "denied", unit, left: Math.max(0, limit - used(unit)) };
  }
  return undefined;
}

export const minus = (a: Spending, b: Spending): Spending => ({
  costMicroUsd: a.costMicroUsd - b.costMicroUsd,
  inputTokens: a.inputTokens - b.inputTokens,
  outputTokens: a.outputTokens - b.outputTokens,
  requests: a.requests - b.requests,
  toolCalls: a.toolCalls - b.toolCalls,
});
