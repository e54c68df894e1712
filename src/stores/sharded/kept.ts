import type { Item, ItemQuery, ItemRef, ItemStore, NewItem, PutItemOutcome } from "../../ports/items.ts";
import type { Balance, Hold, HoldOutcome, QuotaLedger, Settlement } from "../../ports/ledger.ts";
import { refuseUnholdable } from "../../ports/new-hold.ts";
import { byCodePoint } from "../../ports/sortable-text.ts";
import { askAll, type Member } from "./member.ts";
import { shardOf } from "./place.ts";
import { scatter, scatterEach } from "./scatter.ts";

/*
 * What is kept beside the runs. An item lives on the shard that its collection and key name, an account with all its holds on the
 * shard that its name names: so each put, hold and settlement is as atomic as on one shard. A batch is one call to each shard that
 * it is about; when one of them cannot be reached the whole call fails, and what the others did stays done, as after any call whose
 * answer is lost. Lists ask every shard.
 */
export class Kept implements ItemStore, QuotaLedger {
  readonly #members: readonly Member[];

  constructor(members: readonly Member[]) {
    this.#members = members;
  }

  readonly #placeOfItem = ({ collection, key }: ItemRef): number =>
    shardOf(`${collection}/${key}`, this.#members.length);

  readonly #placeOfAccount = ({ account }: Pick<Hold, "account">): number => shardOf(account, this.#members.length);

  getItems(refs: readonly ItemRef[]): Promise<readonly (Item | undefined)[]> {
    return scatterEach(this.#members, refs, {
      place: this.#placeOfItem,
      ask: (member, share) => member.ask((store) => store.getItems(share)),
    });
  }

  putItems(items: readonly NewItem[]): Promise<readonly PutItemOutcome[]> {
    return scatterEach(this.#members, items, {
      place: this.#placeOfItem,
      ask: (member, share) => member.ask((store) => store.putItems(share)),
    });
  }

  async removeItems(refs: readonly ItemRef[]): Promise<number> {
    const removed = await scatter(this.#members, refs, {
      place: this.#placeOfItem,
      ask: (member, share) => member.ask((store) => store.removeItems(share)),
    });
    return sum(removed.map(({ answer }) => answer));
  }

  async listItems(query: ItemQuery): Promise<readonly Item[]> {
    const pages = await askAll(this.#members, (store) => store.listItems(query));
    return pages
      .flat()
      .sort((a, b) => byCodePoint(a.key, b.key))
      .slice(0, query.limit);
  }

  /** All are looked at before any shard is asked: a hold that none takes is an error of the whole call. */
  async hold(holds: readonly Hold[]): Promise<readonly HoldOutcome[]> {
    for (const hold of holds) refuseUnholdable(hold);
    return scatterEach(this.#members, holds, {
      place: this.#placeOfAccount,
      ask: (member, share) => member.ask((store) => store.hold(share)),
    });
  }

  async settleHolds(holds: readonly Settlement[]): Promise<number> {
    for (const { id, account, spent } of holds) refuseUnholdable({ id, account, amount: spent });
    const settled = await scatter(this.#members, holds, {
      place: this.#placeOfAccount,
      ask: (member, share) => member.ask((store) => store.settleHolds(share)),
    });
    return sum(settled.map(({ answer }) => answer));
  }

  async balances(prefix?: string): Promise<readonly Balance[]> {
    const lists = await askAll(this.#members, (store) => store.balances(prefix));
    return lists.flat().sort((a, b) => byCodePoint(a.account, b.account));
  }

  async pruneAccounts(untouchedSince: number): Promise<number> {
    return sum(await askAll(this.#members, (store) => store.pruneAccounts(untouchedSince)));
  }
}

const sum = (counts: readonly number[]): number => counts.reduce((all, count) => all + count, 0);
