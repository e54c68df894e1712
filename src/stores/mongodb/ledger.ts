import type { Balance, Hold, HoldOutcome, Settlement } from "../../ports/ledger.ts";
import { refuseUnholdable } from "../../ports/new-hold.ts";
import { fromSortable, sortable } from "../../ports/sortable-text.ts";
import { storable } from "../../ports/stored-text.ts";
import { Account, type AccountDocument, heldIn, settledId } from "./account.ts";
import type { Base } from "./base.ts";
import type { Document } from "./driver.ts";
import { rangeOf } from "./items.ts";
import { type MarkedWrite, writeMarked } from "./marked.ts";
import { insertMissing } from "./runs.ts";

/*
 * The quota ledger. An account is one document, with its open holds and the ids of those that were settled last: so what is left and
 * what is taken of it are one write (marked.ts). Ids of older settled holds are documents of their own, written before the account
 * lets them go, and looked for after the account was read: either place counts. They stay as long as the account.
 *
 * Whoever of this process asks while a batch is under way is in the next one: two commands for all of them, where each on its own
 * would find the account written by another, and look again. A batch whose answer was lost is looked for, and else sent again.
 *
 * An account holds some 100,000 open holds at once: that is what a document takes.
 */

/** A hold or a settlement. Names are as they are stored. */
interface Request {
  readonly account: string;
  readonly id: string;
  /** Changes the account, and keeps the answer. Called anew when the account was written by somebody else first. */
  readonly apply: (account: Account) => void;
}

interface Batch {
  readonly requests: Request[];
  readonly done: Promise<void>;
}

export class Ledger {
  readonly #base: Base;
  #gathering: Batch | undefined;
  #underWay: Promise<unknown> = Promise.resolve();

  constructor(base: Base) {
    this.#base = base;
  }

  async hold(holds: readonly Hold[]): Promise<readonly HoldOutcome[]> {
    for (const one of holds) refuseUnholdable(one);
    const outcomes: HoldOutcome[] = [];
    const requests = holds.map((asked, place): Request => {
      const id = storable(asked.id);
      return {
        account: sortable(asked.account),
        id,
        apply: (account) => {
          outcomes[place] = account.hold(id, asked);
        },
      };
    });
    await this.#ask(requests);
    return outcomes;
  }

  async settle(holds: readonly Settlement[]): Promise<number> {
    for (const { id, account, spent } of holds) refuseUnholdable({ id, account, amount: spent });
    const settled: boolean[] = [];
    const requests = holds.map((given, place): Request => {
      const id = storable(given.id);
      return {
        account: sortable(given.account),
        id,
        apply: (account) => {
          settled[place] = account.settle(id, given.spent);
        },
      };
    });
    await this.#ask(requests);
    return settled.filter((one) => one).length;
  }

  async #ask(requests: readonly Request[]): Promise<void> {
    if (requests.length === 0) return;
    this.#gathering ??= this.#nextBatch();
    this.#gathering.requests.push(...requests);
    await this.#gathering.done;
  }

  #nextBatch(): Batch {
    const requests: Request[] = [];
    const done = this.#underWay.then(async () => {
      this.#gathering = undefined;
      await decideAll(this.#base, requests);
    });
    this.#underWay = done.catch(() => undefined); // its callers hear of it; the next batch only waits
    return { requests, done };
  }
}

async function decideAll(base: Base, requests: readonly Request[]): Promise<void> {
  const byAccount = new Map<string, Request[]>();
  for (const one of requests) {
    const others = byAccount.get(one.account);
    if (others === undefined) byAccount.set(one.account, [one]);
    else others.push(one);
  }
  const decide = async (ids: readonly string[]): Promise<readonly MarkedWrite[]> => {
    const found = await accounts(base, ids);
    const known = await settledLongAgo(base, found, byAccount);
    const now = base.now();
    const writes: MarkedWrite[] = [];
    const moving: Document[] = [];
    for (const id of ids) {
      const before = found.get(id);
      const account = new Account(before, known);
      for (const { apply } of byAccount.get(id) ?? []) apply(account);
      if (!account.changed) continue;
      const next = account.next(now, base.unique());
      writes.push({ id, before, fields: { ...next.fields } });
      const { life } = next.fields;
      moving.push(...next.moving.map((hold) => ({ _id: settledId({ life }, hold), life })));
    }
    await insertMissing(base.in.quota_holds, moving);
    return writes;
  };
  await writeMarked(base.in.quota_accounts, [...byAccount.keys()], { unique: base.unique, decide });
}

async function accounts(base: Base, ids: readonly string[]): Promise<ReadonlyMap<string, AccountDocument>> {
  const found = await base.in.quota_accounts.find({ _id: { $in: ids } }).toArray();
  return new Map((found as readonly AccountDocument[]).map((one) => [one._id, one]));
}

/** Of the holds that are asked for, those that were settled before the account last let ids go. */
async function settledLongAgo(
  base: Base,
  found: ReadonlyMap<string, AccountDocument>,
  byAccount: ReadonlyMap<string, readonly Request[]>,
): Promise<ReadonlySet<string>> {
  const asked = [...found.values()]
    .filter(({ moved }) => moved === true)
    .flatMap((account) => {
      const here = new Set([...account.open.map(({ id }) => id), ...account.settled]);
      const elsewhere = (byAccount.get(account._id) ?? []).filter(({ id }) => !here.has(id));
      return elsewhere.map(({ id }) => settledId(account, id));
    });
  if (asked.length === 0) return new Set();
  const holds = await base.in.quota_holds.find({ _id: { $in: asked } }, { projection: { _id: 1 } }).toArray();
  return new Set((holds as readonly { readonly _id: string }[]).map(({ _id }) => _id));
}

export async function balances(base: Base, prefix: string): Promise<readonly Balance[]> {
  const found = (await base.in.quota_accounts
    .find({ _id: rangeOf(sortable(prefix)) }, { projection: { spent: 1, open: 1, updatedAt: 1 }, sort: { _id: 1 } })
    .toArray()) as readonly AccountDocument[];
  return found.map((account) => ({
    account: fromSortable(account._id),
    spent: account.spent,
    held: heldIn(account),
    updatedAt: account.updatedAt,
  }));
}
