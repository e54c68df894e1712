import { NOTHING_SPENT, plus, type Spending } from "../../domain/quota.ts";
import type { Balance, Hold, HoldOutcome, Settlement } from "../../ports/ledger.ts";
import { denial, minus, refuseUnholdable } from "../../ports/new-hold.ts";
import { byCodePoint, sortable } from "../../ports/sortable-text.ts";

interface Account {
  spent: Spending;
  held: Spending;
  updatedAt: number;
  /** What each hold took, or that it was settled. */
  readonly holds: Map<string, Spending | "settled">;
}

/** Accounts and their holds. Each call is one step in which nothing else happens, so a batch is atomic as a whole. */
export class Ledger {
  readonly #accounts = new Map<string, Account>();

  /** Throws OPTION_INVALID before anything is held. */
  hold(holds: readonly Hold[], now: number): readonly HoldOutcome[] {
    for (const hold of holds) refuseUnholdable(hold);
    return holds.map((hold) => this.#hold(hold, now));
  }

  #hold(hold: Hold, now: number): HoldOutcome {
    const account: Account = this.#accounts.get(hold.account) ?? {
      spent: NOTHING_SPENT,
      held: NOTHING_SPENT,
      updatedAt: now,
      holds: new Map(),
    };
    if (account.holds.has(hold.id)) return { status: "held" };
    const denied = denial(account, hold);
    if (denied !== undefined) return denied;
    account.holds.set(hold.id, hold.amount);
    account.held = plus(account.held, hold.amount);
    account.updatedAt = now;
    this.#accounts.set(hold.account, account);
    return { status: "held" };
  }

  /** Throws OPTION_INVALID before anything is settled. */
  settle(settlements: readonly Settlement[], now: number): number {
    for (const { id, account, spent } of settlements) refuseUnholdable({ id, account, amount: spent });
    return settlements.filter((settlement) => this.#settle(settlement, now)).length;
  }

  #settle({ id, account: name, spent }: Settlement, now: number): boolean {
    const account = this.#accounts.get(name);
    const amount = account?.holds.get(id);
    if (account === undefined || amount === undefined || amount === "settled") return false;
    account.holds.set(id, "settled");
    account.held = minus(account.held, amount);
    account.spent = plus(account.spent, spent);
    account.updatedAt = now;
    return true;
  }

  balances(prefix: string): readonly Balance[] {
    const begin = sortable(prefix);
    return [...this.#accounts]
      .filter(([account]) => sortable(account).startsWith(begin))
      .sort(([a], [b]) => byCodePoint(a, b))
      .map(([account, { spent, held, updatedAt }]) => ({ account, spent, held, updatedAt }));
  }

  prune(untouchedSince: number): number {
    const over = [...this.#accounts].filter(([, { updatedAt }]) => updatedAt < untouchedSince);
    for (const [account] of over) this.#accounts.delete(account);
    return over.length;
  }
}
