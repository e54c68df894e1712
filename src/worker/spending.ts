import { FlujoError } from "../domain/errors.ts";
import {
  type Allowance,
  amountOf,
  exceeded,
  type Held,
  missing,
  NO_QUOTA,
  NOTHING_SPENT,
  type Quota,
  settle as settleIn,
  type Spending,
  spendingOf,
  type Unit,
  UNITS,
} from "../domain/quota.ts";
import type { Resident } from "../engine/resident.ts";
import type { Happened, Settled } from "../planner/planning.ts";
import type { Reservation, Spend } from "../ports/agency.ts";
import type { Settlement } from "../ports/ledger.ts";
import type { Payments } from "./patient-ledger.ts";

/** Budgets that runs share: of a flow, a key, a day. */
export interface SharedBudgets {
  readonly ledger: Payments;
  /** The accounts that pay for a fiber's work now, and what each may spend. */
  readonly accountsOf: (resident: Resident) => readonly Account[];
}

export interface Account {
  readonly account: string;
  readonly limits: Allowance;
}

/** Commits something about a step while it runs. Rejects when the fiber is no longer held here. */
export type During = (resident: Resident, happened: Happened) => Promise<void>;

type Amount = Parameters<Spend["reserve"]>[0];

/**
 * What one attempt of a step spends. The order of its effects is what a crash leaves behind:
 *
 *   reserve   committed with the fiber, then held in the accounts: dead in between, the number is found in the fiber and forfeited
 *   work
 *   settle    told to the accounts, then recorded, before the next reservation or with the outcome: dead before that, what was
 *             reserved counts as spent, here and there, and the work is done again under another number
 */
export class StepSpending implements Spend {
  readonly #resident: Resident;
  readonly #during: During;
  readonly #shared: SharedBudgets | undefined;
  readonly #open = new Map<string, Held>();
  /** What the accounts are to be told, and what the fiber is to record. */
  #owed: Settlement[] = [];
  #settled: Settled[] = [];
  #turn: Promise<unknown> = Promise.resolve();
  #isOver = false;

  constructor(resident: Resident, during: During, shared: SharedBudgets | undefined) {
    this.#resident = resident;
    this.#during = during;
    this.#shared = shared;
  }

  get needsPrice(): boolean {
    return [{ limits: this.#quota.left }, ...this.#accounts].some(({ limits }) => limits.costMicroUsd !== undefined);
  }

  get #quota(): Quota {
    return this.#resident.fiber.quota ?? NO_QUOTA;
  }

  get #accounts(): readonly Account[] {
    return this.#shared?.accountsOf(this.#resident) ?? [];
  }

  /** One after another: each reservation is a transition of the same fiber. */
  reserve(amount: Amount): Promise<Reservation> {
    const mine = this.#turn.then(() => this.#reserve(amount));
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  async #reserve(amount: Amount): Promise<Reservation> {
    // Left behind by a timeout, a step may go on: the fiber is at something else by now.
    if (this.#isOver) throw new FlujoError("CLOSED", "this attempt is over: it can spend nothing any more");
    const accounts = this.#accounts;
    const limits = [this.#quota.left, ...accounts.map((one) => one.limits)];
    if (!limits.some((one) => isTouched(one, amount))) return this.#free();
    const wanted = priced(amount, limits);
    const short = missing(this.#quotaAfterSettling(), wanted);
    if (short !== undefined) throw refusal(this.#quota, short, wanted);
    const id = `${this.#quota.count}`;
    const settled = [...this.#settled];
    const held: Held = { ...wanted, ...(accounts.length > 0 && { accounts: accounts.map(({ account }) => account) }) };
    await this.#tellAccounts();
    await this.#during(this.#resident, { type: "spending", settled, reserve: held });
    this.#settled = this.#settled.slice(settled.length);
    this.#open.set(id, held);
    if (accounts.length > 0) await this.#hold(id, wanted, accounts);
    return { settle: (spent) => this.#settle(id, spent) };
  }

  /** Nothing limits it: it is only counted. */
  #free(): Reservation {
    return {
      settle: (spent) => {
        if (!this.#isOver) this.#settled.push({ id: UNLIMITED, spent });
      },
    };
  }

  /** What will be left when the next transition has recorded what is settled by now. */
  #quotaAfterSettling(): Quota {
    return this.#settled.reduce((quota, { id, spent }) => settleIn(quota, id, spent), this.#quota);
  }

  /** Where one of the accounts is short, or nobody knows, none of them keeps it. */
  async #hold(id: string, amount: Spending, accounts: readonly Account[]): Promise<void> {
    try {
      const holds = accounts.map((one) => ({ ...one, id: holdId(this.#resident, id), amount }));
      const outcomes = (await this.#shared?.ledger.hold(holds)) ?? [];
      for (const [i, outcome] of outcomes.entries())
        if (outcome.status === "denied")
          throw refusal(accounts[i] ?? { limits: {} }, outcome.unit, amount, accounts[i]?.account);
    } catch (error) {
      this.#settle(id, NOTHING_SPENT);
      throw error;
    }
  }

  #settle(id: string, spent: Spending): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    this.#open.delete(id);
    this.#settled.push({ id, spent });
    for (const account of open.accounts ?? []) this.#owed.push({ id: holdId(this.#resident, id), account, spent });
  }

  async #tellAccounts(): Promise<void> {
    const owed = [...this.#owed];
    if (owed.length === 0) return;
    await this.#shared?.ledger.settleHolds(owed);
    this.#owed = this.#owed.slice(owed.length);
  }

  /**
   * What the outcome of the attempt records. What was not settled counts as spent in full: nobody knows what became of it.
   * Rejects where the accounts cannot be told: then nothing may be recorded either, and whoever takes the fiber up forfeits.
   */
  async close(): Promise<readonly Settled[]> {
    this.#isOver = true;
    await this.#turn; // a reservation on its way is a transition of this fiber: there is one at a time
    for (const [id, held] of [...this.#open]) this.#settle(id, spendingOf(held));
    await this.#tellAccounts();
    return this.#settled;
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

/**
 * What a crash left reserved, as settled in full; the accounts are told before the fiber forgets the numbers. Each is held once
 * more before that, within its limits: a hold of the dead that is still on its way finds that its number is over.
 */
export async function forfeits(resident: Resident, shared: SharedBudgets | undefined): Promise<readonly Settled[]> {
  const held = Object.entries(resident.fiber.quota?.held ?? {});
  if (held.length === 0) return [];
  const limitsOf = new Map(shared?.accountsOf(resident).map(({ account, limits }) => [account, limits]));
  const holds = held.flatMap(([id, { accounts = [], ...amount }]) =>
    accounts.map((account) => ({ id: holdId(resident, id), account, amount, limits: limitsOf.get(account) })),
  );
  const again = holds.flatMap(({ limits, ...hold }) => (limits === undefined ? [] : [{ ...hold, limits }]));
  if (again.length > 0) await shared?.ledger.hold(again);
  if (holds.length > 0)
    await shared?.ledger.settleHolds(holds.map(({ id, account, amount: spent }) => ({ id, account, spent })));
  return held.map(([id, amount], i) => ({ id, spent: spendingOf(amount), ...(i === 0 && { lost: true as const }) }));
}
