import type { Allowance, Spending, Unit } from "../domain/quota.ts";

/**
 * What runs share: the budget of a flow, a tenant, a day. An account is known by its name (`day:2026-11-20`, `key:acme`); what it
 * may spend is said with each hold, so that a changed limit holds at once. The sum of what is spent and held never exceeds it.
 *
 * A hold is identified by its caller: the same id holds once, however often it is asked for, and is settled once. So a crash
 * between any two calls leaves at most a hold that is settled when the work is taken up again.
 */
export interface Hold {
  /** Run, fiber and number of the reservation. */
  readonly id: string;
  readonly account: string;
  readonly amount: Spending;
  readonly limits: Allowance;
}

export type HoldOutcome =
  | { readonly status: "held" }
  /** Nothing was taken. `left`: what the account still has of the unit that was short. */
  | { readonly status: "denied"; readonly unit: Unit; readonly left: number };

export interface Balance {
  readonly account: string;
  readonly spent: Spending;
  readonly held: Spending;
  readonly updatedAt: number;
}

export interface QuotaLedger {
  /** Each atomic on its own, one round trip for the batch. A hold that exists, open or settled, is `held` and changes nothing. */
  hold(holds: readonly Hold[]): Promise<readonly HoldOutcome[]>;
  /** Ends holds with what was spent. One that is settled already, or unknown, changes nothing. Answers how many were settled. */
  settleHolds(
    holds: readonly { readonly id: string; readonly account: string; readonly spent: Spending }[],
  ): Promise<number>;
  balances(prefix?: string): Promise<readonly Balance[]>;
  /** Forgets accounts (and their holds) that nobody has touched since; for days that are over. */
  pruneAccounts(untouchedSince: number): Promise<number>;
}
