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
  /**
   * Nothing was taken, and nothing is remembered of it. `unit`: the first that was short, in the order of UNITS; `left`: what the
   * account still has of it, never less than 0.
   */
  | { readonly status: "denied"; readonly unit: Unit; readonly left: number };

/** What became of a hold. */
export interface Settlement {
  readonly id: string;
  readonly account: string;
  readonly spent: Spending;
}

export interface Balance {
  readonly account: string;
  readonly spent: Spending;
  readonly held: Spending;
  readonly updatedAt: number;
}

export interface QuotaLedger {
  /**
   * Each atomic on its own, as if they came one after another; one round trip for the batch. A hold that exists, open or settled,
   * is `held` and changes nothing. Units without a limit are counted. Throws OPTION_INVALID for names that are empty or too long
   * (accounts over 256 characters, ids over 1,280) and for amounts that are no whole numbers from 0; then nothing is held.
   */
  hold(holds: readonly Hold[]): Promise<readonly HoldOutcome[]>;
  /**
   * Ends holds with what was spent, which may be more than was held. One that is settled already, or unknown, changes nothing.
   * Answers how many were settled. Throws OPTION_INVALID like `hold`.
   */
  settleHolds(holds: readonly Settlement[]): Promise<number>;
  /** Accounts whose names begin with `prefix`, in code point order. */
  balances(prefix?: string): Promise<readonly Balance[]>;
  /**
   * Forgets accounts (and their holds, open and settled) that nobody has touched since, for days that are over; answers how many
   * accounts. What touches an account is a hold that was taken, and one that was settled.
   */
  pruneAccounts(untouchedSince: number): Promise<number>;
}
