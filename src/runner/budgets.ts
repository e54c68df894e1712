import type { Ambient } from "../domain/ambient.ts";
import { FlujoError } from "../domain/errors.ts";
import { didYouMean } from "../domain/suggest.ts";
import { allowanceOf, type UsageLimits } from "../domain/usage-limits.ts";
import type { QuotaLedger } from "../ports/ledger.ts";
import { patientLedger } from "../worker/patient-ledger.ts";
import type { Account, SharedBudgets } from "../worker/spending.ts";

/** Budgets that runs share, over all workers of the store. Source: DESIGN, quota scopes. */
export interface BudgetOptions {
  /** What all runs of a flow may use, by the flow's name; "*" = each flow that is not named. */
  readonly flows?: Readonly<Record<string, UsageLimits>>;
  /** What all runs of a key (a tenant, a user) may use; "*" = each key that is not named. */
  readonly keys?: Readonly<Record<string, UsageLimits>>;
  /** What all runs together may use within one day (UTC). */
  readonly day?: UsageLimits;
  /** What all runs of one key may use within one day (UTC). */
  readonly keyDay?: UsageLimits;
}

/** The accounts that pay for what a run does now. */
export function accountsOf(
  { flows = {}, keys = {}, day, keyDay }: BudgetOptions,
  { flow, key, now }: { readonly flow: string; readonly key: string | undefined; readonly now: number },
): readonly Account[] {
  const today = new Date(now).toISOString().slice(0, 10);
  const found: (Account | undefined)[] = [
    accountIn(`flow:${flow}`, named(flows, flow)),
    accountIn(`day:${today}`, day),
    ...(key === undefined
      ? []
      : [accountIn(`key:${key}`, named(keys, key)), accountIn(`key-day:${today}:${key}`, keyDay)]),
  ];
  return found.filter((one) => one !== undefined);
}

const named = (limits: Readonly<Record<string, UsageLimits>>, name: string): UsageLimits | undefined =>
  Object.hasOwn(limits, name) ? limits[name] : limits["*"];

function accountIn(account: string, limits: UsageLimits | undefined): Account | undefined {
  const allowance = allowanceOf(limits, account);
  return allowance === undefined ? undefined : { account, limits: allowance };
}

/**
 * Without options runs share nothing; what workers that had some have left in the accounts is ended all the same. Throws
 * OPTION_INVALID for limits that are none, and budgets that do not exist.
 */
export function sharedBudgets(
  options: BudgetOptions = {},
  { ledger, ambient }: { readonly ledger: QuotaLedger; readonly ambient: Pick<Ambient, "clock" | "random"> },
): SharedBudgets {
  checkBudgets(options);
  const isShared = Object.values(options).some((one) => one !== undefined);
  return {
    ledger: patientLedger(ledger, ambient),
    accountsOf: ({ definition, fiber }) =>
      isShared
        ? accountsOf(options, { flow: definition.name, key: fiber.lane, now: ambient.clock.now() })
        : NO_ACCOUNTS,
  };
}

const SCOPES: readonly (keyof BudgetOptions)[] = ["flows", "keys", "day", "keyDay"];

/** Before the first run, not at its first call. */
function checkBudgets({ flows = {}, keys = {}, day, keyDay, ...others }: BudgetOptions): void {
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw invalid(`there is no budget "${unknown}"${didYouMean(unknown, SCOPES)}`);
  const all: (readonly [where: string, limits: UsageLimits | undefined])[] = [
    ...Object.entries(flows).map(([name, limits]) => [`budgets.flows.${name}`, limits] as const),
    ...Object.entries(keys).map(([name, limits]) => [`budgets.keys.${name}`, limits] as const),
    ["budgets.day", day],
    ["budgets.keyDay", keyDay],
  ];
  for (const [where, limits] of all) {
    allowanceOf(limits, where);
    if (limits?.wallTime !== undefined)
      throw invalid(`${where}.wallTime: only a run has a wall time; give it to \`limits\``);
  }
}

const invalid = (message: string): FlujoError => new FlujoError("OPTION_INVALID", message);

const NO_ACCOUNTS: readonly Account[] = Object.freeze([]);
