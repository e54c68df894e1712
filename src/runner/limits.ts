import { allowanceOf, tightest, type UsageLimits, wallTimeMsOf } from "../domain/usage-limits.ts";
import { type BudgetTables, budgetOf } from "../config/budgets.ts";
import type { LimitsOf } from "../engine/new-run.ts";

/**
 * What each run of a flow may use, whoever starts it: of what the code says and what flujo.toml says the smaller, unit by unit.
 * Throws OPTION_INVALID for limits that are none. Source: Flujo, budget resolution.
 */
export function limitsOf(code: UsageLimits | undefined, budgets: BudgetTables): LimitsOf {
  const [mine, wallTimeMs] = [allowanceOf(code), wallTimeMsOf(code)];
  return (flow) => {
    const budget = budgetOf(budgets, flow);
    const limits = tightest(mine, allowanceOf(budget.limits, budget.source));
    return { ...(limits && { limits }), ...(wallTimeMs !== undefined && { wallTimeMs }) };
  };
}
