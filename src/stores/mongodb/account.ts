import { NOTHING_SPENT, plus, type Spending } from "../../domain/quota.ts";
import type { Hold, HoldOutcome } from "../../ports/ledger.ts";
import { denial, minus } from "../../ports/new-hold.ts";
import type { Marked } from "./marked.ts";

/** Then the ids of settled holds move out of the account's document. */
const SETTLED_IDS = 100;

export interface AccountDocument extends Marked {
  /** Tells this account from an earlier one of the same name. */
  readonly life: string;
  readonly spent: Spending;
  readonly open: readonly OpenHold[];
  /** Ids of the holds that were settled last. */
  readonly settled: readonly string[];
  /** Whether `quota_holds` has more of them. */
  readonly moved?: true;
  readonly updatedAt: number;
}

interface OpenHold {
  readonly id: string;
  readonly amount: Spending;
}

/** Under which `quota_holds` knows a settled hold. */
export const settledId = ({ life }: Pick<AccountDocument, "life">, id: string): string => `${life}/${id}`;

export const heldIn = ({ open }: Pick<AccountDocument, "open">): Spending =>
  open.reduce((sum, { amount }) => plus(sum, amount), NOTHING_SPENT);

/** An account as a decision sees and changes it. Ids are as they are stored. */
export class Account {
  readonly #found: AccountDocument | undefined;
  readonly #known: ReadonlySet<string>;
  readonly #open: Map<string, Spending>;
  readonly #settled = new Set<string>();
  spent: Spending;
  held: Spending;
  changed = false;

  /** `known`: what `quota_holds` has of the ids that the decision asks for. */
  constructor(found: AccountDocument | undefined, known: ReadonlySet<string>) {
    this.#found = found;
    this.#known = known;
    this.#open = new Map((found?.open ?? []).map(({ id, amount }) => [id, amount]));
    this.spent = found?.spent ?? NOTHING_SPENT;
    this.held = found === undefined ? NOTHING_SPENT : heldIn(found);
  }

  hold(id: string, asked: Hold): HoldOutcome {
    if (this.#open.has(id) || this.#isSettled(id)) return { status: "held" };
    const denied = denial(this, asked);
    if (denied !== undefined) return denied;
    this.#open.set(id, asked.amount);
    this.held = plus(this.held, asked.amount);
    this.changed = true;
    return { status: "held" };
  }

  /** Whether it was open. */
  settle(id: string, spent: Spending): boolean {
    const amount = this.#open.get(id);
    if (amount === undefined) return false;
    this.#open.delete(id);
    this.#settled.add(id);
    this.held = minus(this.held, amount);
    this.spent = plus(this.spent, spent);
    this.changed = true;
    return true;
  }

  #isSettled(id: string): boolean {
    if (this.#settled.has(id)) return true;
    if (this.#found === undefined) return false;
    return this.#found.settled.includes(id) || this.#known.has(settledId(this.#found, id));
  }

  /**
   * What stands in the document afterwards, and which ids move to `quota_holds` before: only such as the document has already, for
   * those of this decision are settled when it is written, and not before.
   */
  next(now: number, life: string): { readonly fields: Omit<AccountDocument, keyof Marked>; readonly moving: string[] } {
    const before = this.#found?.settled ?? [];
    const moves = before.length >= SETTLED_IDS;
    const fields = {
      life: this.#found?.life ?? life,
      spent: this.spent,
      open: [...this.#open].map(([id, amount]) => ({ id, amount })),
      settled: [...(moves ? [] : before), ...this.#settled],
      ...((moves || this.#found?.moved === true) && { moved: true as const }),
      updatedAt: now,
    };
    return { fields, moving: moves ? [...before] : [] };
  }
}
