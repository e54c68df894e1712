import { amountOf, NOTHING_SPENT, plus, type Spending, UNITS } from "../../domain/quota.ts";
import type { Item, NewItem, PutItemOutcome } from "../../ports/items.ts";
import type { Balance, Hold, HoldOutcome } from "../../ports/ledger.ts";
import { type Random, seededRandom } from "../random.ts";
import { newItem } from "./items.ts";
import { newHold, spending } from "./ledger.ts";
import type { Scene } from "./scene.ts";
import type { AspectSuite } from "./suite.ts";

const SEEDS = [1, 2, 3, 4, 5];
const COMMANDS = 60;
const KEYS = ["a", "a/1", "a/2", "b", "\0", "🙂", "\uffff"] as const;
const IN_ORDER = ["\0", "a", "a/1", "a/2", "b", "\uffff", "🙂"] as const;
const { collection } = newItem();

/** What the contract says of items, in the plainest way. */
class ItemModel {
  readonly #items = new Map<string, Item>();

  get(key: string, now: number): Item | undefined {
    const item = this.#items.get(key);
    return item?.expiresAt !== undefined && item.expiresAt <= now ? undefined : item;
  }

  put({ ifVersion, ...item }: NewItem, now: number): PutItemOutcome {
    const before = this.get(item.key, now)?.version ?? 0;
    if (ifVersion !== undefined && ifVersion !== before) return { status: "conflict" };
    this.#items.set(item.key, { ...item, version: before + 1, updatedAt: now });
    return { status: "stored", version: before + 1 };
  }

  remove(key: string, now: number): boolean {
    return this.get(key, now) !== undefined && this.#items.delete(key);
  }

  list({ prefix = "", after }: { readonly prefix?: string; readonly after?: string }, now: number): readonly Item[] {
    const rest = after === undefined ? IN_ORDER : IN_ORDER.slice(IN_ORDER.findIndex((key) => key === after) + 1);
    return rest.filter((key) => key.startsWith(prefix)).flatMap((key) => this.get(key, now) ?? []);
  }
}

const anyKey = (random: Random): string => random.pick(KEYS) ?? "a";

const anyItem = (random: Random, now: number): NewItem => ({
  ...newItem({ key: anyKey(random), value: random.int(0, 9) }),
  ...(random.chance(0.4) && { expiresAt: now + random.int(0, 6) }),
  ...(random.chance(0.5) && { ifVersion: random.int(0, 3) }),
});

const several = <T>(random: Random, one: () => T): readonly T[] => Array.from({ length: random.int(1, 4) }, one);

/** One random command on both: what the store answers, and what it should. */
async function itemCommand(
  { store, clock }: Scene,
  model: ItemModel,
  random: Random,
): Promise<readonly [unknown, unknown]> {
  const now = clock.now();
  switch (random.int(0, 4)) {
    case 0: {
      const keys = several(random, () => anyKey(random));
      const refs = keys.map((key) => ({ collection, key }));
      return [await store.removeItems(refs), keys.filter((key) => model.remove(key, now)).length];
    }
    case 1: {
      const query = {
        ...(random.chance(0.5) && { prefix: random.pick(["", "a", "a/", "🙂"]) ?? "" }),
        ...(random.chance(0.5) && { after: anyKey(random) }),
      };
      const limit = random.int(1, 7);
      return [await store.listItems({ collection, ...query, limit }), model.list(query, now).slice(0, limit)];
    }
    case 2: {
      const refs = KEYS.map((key) => ({ collection, key }));
      return [await store.getItems(refs), KEYS.map((key) => model.get(key, now))];
    }
    default: {
      const items = several(random, () => anyItem(random, now));
      return [await store.putItems(items), items.map((item) => model.put(item, now))];
    }
  }
}

interface HoldRow extends Hold {
  spent: Spending | undefined;
}

/** What the contract says of accounts: sums over all holds, made anew each time. */
class LedgerModel {
  #holds: readonly HoldRow[] = [];
  readonly #touched = new Map<string, number>();

  balance(account: string): Balance {
    const mine = this.#holds.filter((hold) => hold.account === account);
    const spent = mine.reduce((sum, hold) => plus(sum, hold.spent ?? NOTHING_SPENT), NOTHING_SPENT);
    const held = mine.reduce((sum, hold) => (hold.spent === undefined ? plus(sum, hold.amount) : sum), NOTHING_SPENT);
    return { account, spent, held, updatedAt: this.#touched.get(account) ?? 0 };
  }

  #find({ id, account }: Pick<Hold, "id" | "account">): HoldRow | undefined {
    return this.#holds.find((hold) => hold.id === id && hold.account === account);
  }

  hold(hold: Hold, now: number): HoldOutcome {
    if (this.#find(hold) !== undefined) return { status: "held" };
    const { spent, held } = this.balance(hold.account);
    for (const unit of UNITS) {
      const limit = hold.limits[unit] ?? Number.POSITIVE_INFINITY;
      const left = limit - amountOf(plus(spent, held), unit);
      if (amountOf(hold.amount, unit) > left) return { status: "denied", unit, left: Math.max(0, left) };
    }
    this.#holds = [...this.#holds, { ...hold, spent: undefined }];
    this.#touched.set(hold.account, now);
    return { status: "held" };
  }

  settle({ id, account, spent }: { id: string; account: string; spent: Spending }, now: number): boolean {
    const hold = this.#find({ id, account });
    if (hold === undefined || hold.spent !== undefined) return false;
    hold.spent = spent;
    this.#touched.set(account, now);
    return true;
  }

  prune(since: number): number {
    const over = [...this.#touched].flatMap(([account, at]) => (at < since ? [account] : []));
    for (const account of over) this.#touched.delete(account);
    this.#holds = this.#holds.filter(({ account }) => !over.includes(account));
    return over.length;
  }

  balances(): readonly Balance[] {
    return [...this.#touched.keys()].toSorted().map((account) => this.balance(account));
  }
}

const anyAmount = (random: Random): Spending =>
  spending({ requests: random.int(0, 3), inputTokens: random.int(0, 4), outputTokens: random.int(0, 4) });

const anyHold = (random: Random): Hold =>
  newHold({
    id: `hold-${random.int(1, 12)}`,
    account: `account-${random.int(1, 3)}`,
    amount: anyAmount(random),
    limits: {
      ...(random.chance(0.7) && { requests: random.int(4, 9) }),
      ...(random.chance(0.7) && { totalTokens: random.int(10, 20) }),
    },
  });

async function ledgerCommand(
  { store, clock }: Scene,
  model: LedgerModel,
  random: Random,
): Promise<readonly [unknown, unknown]> {
  const now = clock.now();
  switch (random.int(0, 9)) {
    case 0: {
      const since = now - random.int(3, 8);
      return [await store.pruneAccounts(since), model.prune(since)];
    }
    case 1:
    case 2:
      return [await store.balances("account-"), model.balances()];
    case 3:
    case 4:
    case 5: {
      const ends = several(random, () => ({ ...anyHold(random), spent: anyAmount(random) }));
      return [await store.settleHolds(ends), ends.filter((one) => model.settle(one, now)).length];
    }
    default: {
      const holds = several(random, () => anyHold(random));
      return [await store.hold(holds), holds.map((hold) => model.hold(hold, now))];
    }
  }
}

export const itemModel: AspectSuite = {
  aspect: "items",
  title: "keeps items as a plain map would",
  define({ it, expect }) {
    for (const seed of SEEDS) {
      it(`agrees for ${COMMANDS} commands of seed ${seed}`, async (scene) => {
        const [random, model] = [seededRandom(seed), new ItemModel()];
        for (let i = 0; i < COMMANDS; i++) {
          const [found, expected] = await itemCommand(scene, model, random);
          expect(found).toEqual(expected);
          if (random.chance(0.3)) scene.clock.advance(random.int(1, 3));
        }
      });
    }
  },
};

export const ledgerModel: AspectSuite = {
  aspect: "ledger",
  title: "keeps accounts as sums over their holds",
  define({ it, expect }) {
    for (const seed of SEEDS) {
      it(`agrees for ${COMMANDS} commands of seed ${seed}`, async (scene) => {
        const [random, model] = [seededRandom(seed), new LedgerModel()];
        for (let i = 0; i < COMMANDS; i++) {
          const [found, expected] = await ledgerCommand(scene, model, random);
          expect(found).toEqual(expected);
          if (random.chance(0.3)) scene.clock.advance(random.int(1, 3));
        }
      });
    }
  },
};
