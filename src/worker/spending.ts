import { FlujoError } from "../domain/errors.ts";
import {
  type Allowance,
  amountOf,
  exceeded,
  missing,
  NO_QUOTA,
  NOTHING_SPENT,
  type Quota,
  settle as settleIn,
  type Spending,
  type Unit,
  UNITS,
} from "../domain/quota.ts";
import type { Resident } from "../engine/resident.ts";
import type { Happened, Settled } from "../planner/planning.ts";
import type { Reservation, Spend } from "../ports/agency.ts";
import type { Hold, QuotaLedger } from "../ports/ledger.ts";

/** Budgets that runs share: of a flow, a key, a day. */
export interface SharedBudgets {
  readonly ledger: QuotaLedger;
  /** The accounts that pay for a fiber's work now, and what each may spend. */
  readonly accountsOf: (resident: Resident) => readonly { readonly account: string; readonly limits: Allowance }[];
}

/** Commits something about a step while it runs. Rejects when the fiber is no longer held here. */
export type During = (resident: Resident, happened: Happened) => Promise<void>;

type Amount = Parameters<Spend["reserve"]>[0];

/**
 * What one attempt of a step spends. The order of its effects is what a crash leaves behind:
 *
 *   reserve   committed with the fiber, then held in the accounts: dead in between, the number is found in the fiber and forfeited
 *   work
 *   settle    first in the accounts, then recorded with the outcome: dead in between, the accounts know the truth, the fiber
 *             forfeits what was reserved, and the work is done again under another number
 */
export class StepSpending implements Spend {
  readonly #resident: Resident;
  readonly #during: During;
  readonly #shared: SharedBudgets | undefined;
  readonly #open = new Map<string, { readonly amount: Spending; readonly accounts: readonly string[] }>();
  #settled: Settled[] = [];
  #turn: Promise<unknown> = Promise.resolve();

  constructor(resident: Resident, during: During, shared: SharedBudgets | undefined) {
    this.#resident = resident;
    this.#during = during;
    this.#shared = shared;
  }

  get left(): Allowance {
    return this.#quota.left;
  }

  get #quota(): Quota {
    return this.#resident.fiber.quota ?? NO_QUOTA;
  }

  /** One after another: each reservation is a transition of the same fiber. */
  reserve(amount: Amount): Promise<Reservation> {
    const mine = this.#turn.then(() => this.#reserve(amount));
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  async #reserve(amount: Amount): Promise<Reservation> {
    const accounts = this.#shared?.accountsOf(this.#resident) ?? [];
    const { left } = this.#quota;
    const limits = [left, ...accounts.map((one) => one.limits)];
    if (!limits.some((one) => isTouched(one, amount))) return this.#free();
    const wanted = priced(amount, limits);
    const short = missing(this.#quotaAfterSettling(), wanted);
    if (short !== undefined) throw refusal(this.#quota, short, wanted);
    const id = `${this.#quota.count}`;
    const settled = [...this.#settled];
    await this.#during(this.#resident, { type: "spending", settled, reserve: wanted });
    this.#settled = this.#settled.slice(settled.length);
    const paying = await this.#hold(id, wanted, accounts);
    this.#open.set(id, { amount: wanted, accounts: paying });
    return { settle: (spent) => this.#settle(id, spent) };
  }

  /** Nothing limits it: it is only counted. */
  #free(): Reservation {
    return {
      settle: (spent) => {
        this.#settled.push({ id: UNLIMITED, spent });
        return Promise.resolve();
      },
    };
  }

  /** What will be left when the next transition has recorded what is settled by now. */
  #quotaAfterSettling(): Quota {
    return this.#settled.reduce((quota, { id, spent }) => settleIn(quota, id, spent), this.#quota);
  }

  /** The names of the accounts that hold it. Where one of them is short, the others get theirs back. */
  async #hold(
    id: string,
    amount: Spending,
    accounts: readonly { readonly account: string; readonly limits: Allowance }[],
  ): Promise<readonly string[]> {
    if (accounts.length === 0 || this.#shared === undefined) return [];
    const holds: Hold[] = accounts.map((one) => ({ ...one, id: holdId(this.#resident, id), amount }));
    const outcomes = await this.#shared.ledger.hold(holds);
    const denied = outcomes.findIndex(({ status }) => status === "denied");
    const names = holds.map(({ account }) => account);
    if (denied < 0) return names;
    this.#open.set(id, { amount, accounts: names });
    await this.#settle(id, NOTHING_SPENT);
    const outcome = outcomes[denied];
    const { account = "", limits = {} } = accounts[denied] ?? {};
    const unit = outcome?.status === "denied" ? outcome.unit : "costMicroUsd";
    throw refusal({ limits }, unit, amount, account);
  }

  async #settle(id: string, spent: Spending): Promise<void> {
    const open = this.#open.get(id);
    if (open === undefined) return;
    this.#open.delete(id);
    this.#settled.push({ id, spent });
    await this.#settleShared(id, open.accounts, spent);
  }

  async #settleShared(id: string, accounts: readonly string[], spent: Spending): Promise<void> {
    if (accounts.length === 0) return;
    const hold = holdId(this.#resident, id);
    await this.#shared?.ledger.settleHolds(accounts.map((account) => ({ id: hold, account, spent })));
  }

  /** What the outcome of the attempt records. What was not settled counts as spent in full: nobody knows what became of it. */
  async close(): Promise<readonly Settled[]> {
    for (const [id, { amount }] of this.#open) await this.#settle(id, amount);
    return this.#settled;
  }

  /** Whether the attempt has spent anything that its outcome has to say. */
  get isIdle(): boolean {
    return this.#open.size === 0 && this.#settled.length === 0;
  }
}

/** Whether something that is limited would be used. What costs nothing of it needs no transition. */
const isTouched = (limits: Allowance, { costMicroUsd = 1, ...rest }: Amount): boolean =>
  UNITS.some((unit) => limits[unit] !== undefined && amountOf({ ...rest, costMicroUsd }, unit) > 0);

/** The number of what was never reserved. */
const UNLIMITED = "-";

const holdId = ({ run, key }: Pick<Resident, "run" | "key">, id: string): string => `${run}/${key}/${id}`;

function refusal(quota: Pick<Quota, "limits">, unit: Unit, wanted: Spending, account?: string): FlujoError {
  const { code, message, details } = exceeded(quota, unit, wanted);
  const by = account === undefined ? "" : ` by ${account}`;
  return new FlujoError(code, `${message}${by}`, {
    details: { ...details, ...(account !== undefined && { account }) },
  });
}

/** An amount whose price is not known is none where nobody asks; where cost is limited it is an error (I8). */
function priced({ costMicroUsd, ...rest }: Amount, limits: readonly Allowance[]): Spending {
  if (costMicroUsd !== undefined) return { ...rest, costMicroUsd };
  if (limits.every((one) => one.costMicroUsd === undefined)) return { ...rest, costMicroUsd: 0 };
  throw new FlujoError("PRICING_NOT_CONFIGURED", "cost is limited, and the price of the model is not known");
}

/** What a crash left reserved, as settled in full; the accounts are told before the fiber forgets the numbers. */
export async function forfeits(resident: Resident, shared: SharedBudgets | undefined): Promise<readonly Settled[]> {
  const settled = Object.entries(resident.fiber.quota?.held ?? {}).map(([id, spent]) => ({ id, spent }));
  const accounts = shared?.accountsOf(resident) ?? [];
  if (settled.length > 0 && accounts.length > 0) {
    await shared?.ledger.settleHolds(
      settled.flatMap(({ id, spent }) => accounts.map(({ account }) => ({ id: holdId(resident, id), account, spent }))),
    );
  }
  return settled;
}
