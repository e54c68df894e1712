import { NOTHING_SPENT, plus, type Spending } from "../../domain/quota.ts";
import type { Balance, Hold, HoldOutcome } from "../../ports/ledger.ts";
import { START_MS } from "./records.ts";
import { rejection, type Scene } from "./scene.ts";
import type { AspectSuite } from "./suite.ts";

const ACCOUNT = "day:2026-11-20";

export const spending = (given: Partial<Spending> = {}): Spending => ({ ...NOTHING_SPENT, ...given });

export const newHold = (given: Partial<Hold> = {}): Hold => ({
  id: "run-1/0/0",
  account: ACCOUNT,
  amount: spending({ costMicroUsd: 10, requests: 1 }),
  limits: { costMicroUsd: 100 },
  ...given,
});

const requests = (count: number): Spending => spending({ requests: count });

const HELD: HoldOutcome = { status: "held" };
const denied = (unit: "costMicroUsd" | "requests" | "totalTokens", left: number): HoldOutcome => ({
  status: "denied",
  unit,
  left,
});

const balance = (given: Partial<Balance> = {}): Balance => ({
  account: ACCOUNT,
  spent: NOTHING_SPENT,
  held: NOTHING_SPENT,
  updatedAt: START_MS,
  ...given,
});

const ids = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `hold-${i}`);

const ALL_UNITS = spending({ costMicroUsd: 5, inputTokens: 4, outputTokens: 3, requests: 2, toolCalls: 1 });

export const ledger: AspectSuite = {
  aspect: "ledger",
  title: "keeps accounts of what runs share",
  define({ it, expect }) {
    it("knows none at first", async (scene) => {
      expect(await scene.store.balances()).toEqual([]);
      expect(await scene.store.hold([])).toEqual([]);
      expect(await scene.store.settleHolds([])).toBe(0);
    });

    it("holds every unit, and settles with what was spent", async (scene) => {
      scene.clock.advance(1);
      expect(await scene.store.hold([newHold({ amount: ALL_UNITS })])).toEqual([HELD]);
      expect(await scene.store.balances()).toEqual([balance({ held: ALL_UNITS, updatedAt: START_MS + 1 })]);
      scene.clock.advance(1);
      const spent = spending({ costMicroUsd: 1, outputTokens: 3 });
      expect(await scene.store.settleHolds([{ ...newHold(), spent }])).toBe(1);
      expect(await scene.store.balances()).toEqual([balance({ spent, updatedAt: START_MS + 2 })]);
    });

    it("holds up to the limit, spent and held together, and no further", async (scene) => {
      const [first, second, third, fourth] = ids(4).map((id) =>
        newHold({ id, amount: spending({ costMicroUsd: 40 }) }),
      );
      if (first === undefined || second === undefined || third === undefined || fourth === undefined) return;
      expect(await scene.store.hold([first, second])).toEqual([HELD, HELD]);
      expect(await scene.store.hold([third])).toEqual([denied("costMicroUsd", 20)]);
      await scene.store.settleHolds([{ ...first, spent: spending({ costMicroUsd: 20 }) }]);
      expect(await scene.store.hold([third, fourth])).toEqual([HELD, denied("costMicroUsd", 0)]);
      expect(await scene.store.balances()).toEqual([
        balance({ spent: spending({ costMicroUsd: 20 }), held: spending({ costMicroUsd: 80 }) }),
      ]);
    });

    it("takes nothing where it denies, and names the first unit that is short", async (scene) => {
      const limits = { toolCalls: 9, requests: 1, costMicroUsd: 100 };
      const amount = spending({ requests: 2, toolCalls: 10 });
      expect(await scene.store.hold([newHold({ amount, limits })])).toEqual([denied("requests", 1)]);
      expect(await scene.store.balances()).toEqual([]);
      expect(await scene.store.settleHolds([{ ...newHold(), spent: amount }])).toBe(0);
      await scene.store.hold([newHold()]);
      scene.clock.advance(5);
      await scene.store.hold([newHold({ id: "other", amount, limits })]);
      expect(await scene.store.balances()).toEqual([balance({ held: newHold().amount })]);
    });

    it("limits the total of tokens as input and output together", async (scene) => {
      const limits = { totalTokens: 100, inputTokens: 100 };
      const [a, b] = [spending({ inputTokens: 30, outputTokens: 30 }), spending({ inputTokens: 1, outputTokens: 40 })];
      expect(await scene.store.hold([newHold({ id: "a", amount: a, limits })])).toEqual([HELD]);
      expect(await scene.store.hold([newHold({ id: "b", amount: b, limits })])).toEqual([denied("totalTokens", 40)]);
      const less = spending({ outputTokens: 40 });
      expect(await scene.store.hold([newHold({ id: "c", amount: less, limits })])).toEqual([HELD]);
    });

    it("counts what has no limit", async (scene) => {
      const amount = spending({ costMicroUsd: 9_000_000_000, inputTokens: 5_000_000_000 });
      const holds = ["a", "b"].map((id) => newHold({ id, amount, limits: {} }));
      expect(await scene.store.hold(holds)).toEqual([HELD, HELD]);
      expect(await scene.store.balances()).toEqual([balance({ held: plus(amount, amount) })]);
      expect(await scene.store.hold([newHold({ id: "c" })])).toEqual([denied("costMicroUsd", 0)]);
    });

    it("takes the limit that is said with each hold", async (scene) => {
      const limited = (id: string, limit: number): Hold => newHold({ id, limits: { costMicroUsd: limit } });
      const holds = [limited("a", 10), limited("b", 10), limited("c", 20), limited("d", 15)];
      expect(await scene.store.hold(holds)).toEqual([HELD, denied("costMicroUsd", 0), HELD, denied("costMicroUsd", 0)]);
    });

    it("takes a limit of nothing for what it is", async (scene) => {
      const limits = { requests: 0 };
      expect(await scene.store.hold([newHold({ amount: requests(1), limits })])).toEqual([denied("requests", 0)]);
      expect(await scene.store.hold([newHold({ amount: spending(), limits })])).toEqual([HELD]);
    });

    it("shows what was spent beyond a hold, and denies what follows", async (scene) => {
      await scene.store.hold([newHold()]);
      const spent = spending({ costMicroUsd: 150 });
      expect(await scene.store.settleHolds([{ ...newHold(), spent }])).toBe(1);
      expect(await scene.store.balances()).toEqual([balance({ spent })]);
      expect(await scene.store.hold([newHold({ id: "b" }), newHold({ id: "c", amount: spending() })])).toEqual([
        denied("costMicroUsd", 0),
        denied("costMicroUsd", 0),
      ]);
    });

    it("tells accounts apart, and holds of the same id", async (scene) => {
      await scene.store.hold([newHold({ account: "a" }), newHold({ account: "b", amount: ALL_UNITS })]);
      await scene.store.settleHolds([{ ...newHold({ account: "a" }), spent: requests(7) }]);
      expect(await scene.store.balances()).toEqual([
        balance({ account: "a", spent: requests(7) }),
        balance({ account: "b", held: ALL_UNITS }),
      ]);
    });

    it("lists accounts of a prefix, in code point order", async (scene) => {
      const accounts = ["key:a", "key:", "day:1", "key:\0", "key:🙂", "key:\uffff", "key", "kez", "key:%", "\ud800"];
      await scene.store.hold(accounts.map((account) => newHold({ account })));
      const names = async (prefix?: string): Promise<readonly string[]> =>
        (await scene.store.balances(prefix)).map(({ account }) => account);
      const keys = ["key:", "key:\0", "key:%", "key:a", "key:\uffff", "key:🙂"];
      expect(await names("key:")).toEqual(keys);
      expect(await names()).toEqual(["day:1", "key", ...keys, "kez", "\ud800"]);
      expect(await names("key:%")).toEqual(["key:%"]);
      expect(await names("none")).toEqual([]);
    });

    it("keeps ids and accounts of any text apart", async (scene) => {
      const texts = ["a", "A", "a\0", "a b", "{a}", `"'\\`, "\ud800", "\ud801", "🙂", "é".repeat(256)];
      const holds = texts.map((text) => newHold({ id: text, account: text, amount: requests(1) }));
      expect(await scene.store.hold([...holds, ...holds])).toEqual([...holds, ...holds].map(() => HELD));
      const one = texts.map((id) => newHold({ id, account: "one", amount: requests(1) }));
      await scene.store.hold(one);
      expect(await scene.store.balances("one")).toEqual([balance({ account: "one", held: requests(10) })]);
      const settled = await scene.store.settleHolds(
        [...holds, ...one].map((hold) => ({ ...hold, spent: requests(2) })),
      );
      expect(settled).toBe(20);
      const balances = await scene.store.balances();
      expect(balances.map(({ account }) => account).toSorted()).toEqual([...texts, "one"].toSorted());
      expect(balances.every(({ account, spent }) => spent.requests === (account === "one" ? 20 : 2))).toBe(true);
    });

    it("keeps an id and an account of full length", async (scene) => {
      const long = newHold({ id: "x".repeat(1_280), account: "é".repeat(256) });
      expect(await scene.store.hold([long, { ...long, id: `${long.id.slice(1)}y` }, long])).toEqual([HELD, HELD, HELD]);
      expect(await scene.store.balances()).toMatchObject([{ account: long.account, held: { requests: 2 } }]);
    });

    it("takes a thousand in one call", async (scene) => {
      const holds = ids(1_000).map((id) => newHold({ id, amount: requests(1), limits: { requests: 900 } }));
      const outcomes = await scene.store.hold(holds);
      expect(outcomes.map(({ status }) => status)).toEqual(holds.map((_, i) => (i < 900 ? "held" : "denied")));
      expect(await scene.store.settleHolds(holds.map((hold) => ({ ...hold, spent: requests(1) })))).toBe(900);
      expect(await scene.store.balances()).toEqual([balance({ spent: requests(900) })]);
    });

    for (const [what, bad] of [
      ["an empty name of an account", { account: "" }],
      ["a name of an account that is too long", { account: "x".repeat(257) }],
      ["an empty id", { id: "" }],
      ["an id that is too long", { id: "x".repeat(1_281) }],
      ["an amount below nothing", { amount: requests(-1) }],
      ["a part of a request", { amount: requests(0.5) }],
      ["an amount that is not a number", { amount: requests(Number.NaN) }],
    ] as const) {
      it(`refuses ${what}, and takes nothing`, async (scene) => {
        const hold = newHold(bad);
        expect((await rejection(scene.store.hold([newHold(), hold]))).code).toBe("OPTION_INVALID");
        const settling = scene.store.settleHolds([{ ...hold, spent: hold.amount }]);
        expect((await rejection(settling)).code).toBe("OPTION_INVALID");
        expect(await scene.store.balances()).toEqual([]);
      });
    }
  },
};

export const ledgerOnce: AspectSuite = {
  aspect: "ledger",
  title: "counts a hold once",
  define({ it, expect }) {
    it("holds once under an id, however often and with whatever it is asked for", async (scene) => {
      await scene.store.hold([newHold(), newHold()]);
      scene.clock.advance(9);
      const larger = newHold({ amount: spending({ costMicroUsd: 1_000 }), limits: { costMicroUsd: 0 } });
      expect(await scene.store.hold([larger])).toEqual([HELD]);
      expect(await scene.store.balances()).toEqual([balance({ held: newHold().amount })]);
    });

    it("holds nothing again under an id that was settled", async (scene) => {
      await scene.store.hold([newHold()]);
      await scene.store.settleHolds([{ ...newHold(), spent: requests(1) }]);
      scene.clock.advance(9);
      expect(await scene.store.hold([newHold()])).toEqual([HELD]);
      expect(await scene.store.balances()).toEqual([balance({ spent: requests(1) })]);
    });

    it("settles once, and nothing that it does not know", async (scene) => {
      await scene.store.hold([newHold()]);
      const settling = { ...newHold(), spent: requests(1) };
      expect(await scene.store.settleHolds([settling, settling])).toBe(1);
      scene.clock.advance(9);
      const unknown = [
        { ...settling, id: "unknown" },
        { ...settling, account: "unknown" },
      ];
      expect(await scene.store.settleHolds([{ ...settling, spent: requests(5) }, ...unknown])).toBe(0);
      expect(await scene.store.balances()).toEqual([balance({ spent: requests(1) })]);
    });

    it("lets a denied hold be asked for again", async (scene) => {
      const limits = { requests: 1 };
      const [first, second] = ["a", "b"].map((id) => newHold({ id, amount: requests(1), limits }));
      if (first === undefined || second === undefined) return;
      expect(await scene.store.hold([first, second])).toEqual([HELD, denied("requests", 0)]);
      await scene.store.settleHolds([{ ...first, spent: spending() }]);
      expect(await scene.store.hold([second])).toEqual([HELD]);
    });

    it("lets 64 hold at the same time, and never more than there is", async (scene) => {
      const limits = { requests: 40, totalTokens: 300 };
      const amount = spending({ requests: 1, inputTokens: 5, outputTokens: 5 });
      const held = (
        await Promise.all(ids(64).map(async (id) => scene.store.hold([newHold({ id, amount, limits })])))
      ).flat();
      expect(held.filter(({ status }) => status === "held").length).toBe(30);
      expect(held.filter(({ status }) => status === "denied")).toEqual(
        Array.from({ length: 34 }, () => denied("totalTokens", 0)),
      );
      const [found] = await scene.store.balances();
      expect(found?.held).toEqual(spending({ requests: 30, inputTokens: 150, outputTokens: 150 }));
    });

    it("takes one hold of 64 that ask for the same at the same time, and settles it once", async (scene) => {
      const holds = await Promise.all(ids(64).map(async () => scene.store.hold([newHold()])));
      expect(holds.flat()).toEqual(ids(64).map(() => HELD));
      expect(await scene.store.balances()).toEqual([balance({ held: newHold().amount })]);
      const settled = await Promise.all(
        ids(64).map(async () => scene.store.settleHolds([{ ...newHold(), spent: requests(1) }])),
      );
      expect(settled.filter((count) => count > 0)).toEqual([1]);
      expect(await scene.store.balances()).toEqual([balance({ spent: requests(1) })]);
    });

    it("never has more spent and held than there is, while many hold and settle at the same time", async (scene) => {
      const limits = { requests: 10 };
      const seen: number[] = [];
      const work = async (id: string): Promise<boolean> => {
        const hold = newHold({ id, amount: requests(3), limits });
        const [outcome] = await scene.store.hold([hold]);
        const [now] = await scene.store.balances();
        if (now !== undefined) seen.push(now.spent.requests + now.held.requests);
        if (outcome?.status !== "held") return false;
        return (await scene.store.settleHolds([{ ...hold, spent: requests(1) }])) === 1;
      };
      const worked = await Promise.all(ids(64).map(work));
      expect(seen.filter((used) => used > 10)).toEqual([]);
      const done = worked.filter((did) => did).length;
      expect(await scene.store.balances()).toEqual([balance({ spent: requests(done) })]);
      expect(done).toBeGreaterThan(2);
    });

    it("takes batches of the same accounts at the same time, in whatever order they name them", async (scene) => {
      const accounts = Array.from({ length: 12 }, (_, i) => `account-${i}`);
      const holders = ids(8).map(async (id, i) => {
        const named = i % 2 === 0 ? accounts : accounts.toReversed();
        const holds = named.map((account) => newHold({ id, account, amount: requests(1), limits: { requests: 6 } }));
        const outcomes = await scene.store.hold(holds);
        return scene.store.settleHolds(
          holds.filter((_hold, at) => outcomes[at]?.status === "held").map((hold) => ({ ...hold, spent: requests(1) })),
        );
      });
      const settled = (await Promise.all(holders)).reduce((sum, count) => sum + count, 0);
      expect(settled).toBe(6 * accounts.length);
      const balances = await scene.store.balances();
      expect(balances.map(({ spent, held }) => [spent.requests, held.requests])).toEqual(accounts.map(() => [6, 0]));
    });
  },
};

export const ledgerRetention: AspectSuite = {
  aspect: "ledger",
  title: "forgets accounts that are over",
  define({ it, expect }) {
    /** Accounts that were touched one millisecond apart: held, held, settled. */
    const days = async (scene: Scene): Promise<void> => {
      await scene.store.hold([newHold({ account: "settled" })]);
      for (const account of ["old", "new"]) {
        scene.clock.advance(1);
        await scene.store.hold([newHold({ account })]);
      }
      scene.clock.advance(1);
      await scene.store.settleHolds([{ ...newHold({ account: "settled" }), spent: requests(1) }]);
    };
    const left = async (scene: Scene): Promise<readonly string[]> =>
      (await scene.store.balances()).map(({ account }) => account);

    it("forgets accounts that nobody has touched since, and only those", async (scene) => {
      await days(scene);
      expect(await scene.store.pruneAccounts(START_MS + 1)).toBe(0);
      expect(await scene.store.pruneAccounts(START_MS + 2)).toBe(1);
      expect(await left(scene)).toEqual(["new", "settled"]);
      expect(await scene.store.pruneAccounts(START_MS + 4)).toBe(2);
      expect(await left(scene)).toEqual([]);
    });

    it("is not touched by what changes nothing", async (scene) => {
      await days(scene);
      scene.clock.advance(100);
      const old = newHold({ account: "old" });
      await scene.store.hold([old, newHold({ id: "b", account: "old", limits: { costMicroUsd: 0 } })]);
      await scene.store.settleHolds([{ ...old, id: "unknown", spent: requests(1) }]);
      expect(await scene.store.pruneAccounts(START_MS + 2)).toBe(1);
      expect(await left(scene)).toEqual(["new", "settled"]);
    });

    it("keeps an account while one of its open holds is younger", async (scene) => {
      await days(scene);
      await scene.store.hold([newHold({ id: "b", account: "old" })]);
      expect(await scene.store.pruneAccounts(START_MS + 3)).toBe(1);
      expect(await left(scene)).toEqual(["old", "settled"]);
    });

    it("forgets the holds with their account, open and settled", async (scene) => {
      await days(scene);
      await scene.store.pruneAccounts(START_MS + 4);
      const [old, settled] = ["old", "settled"].map((account) => newHold({ account }));
      if (old === undefined || settled === undefined) return;
      expect(await scene.store.settleHolds([{ ...old, spent: requests(9) }])).toBe(0);
      expect(await left(scene)).toEqual([]);
      expect(await scene.store.hold([settled])).toEqual([HELD]);
      expect(await scene.store.balances()).toEqual([
        balance({ account: "settled", held: settled.amount, updatedAt: START_MS + 3 }),
      ]);
    });

    it("remembers settled holds as long as their account", async (scene) => {
      await days(scene);
      await scene.store.prune({ endedBefore: START_MS + 1_000 });
      scene.clock.advance(86_400_000);
      await scene.store.hold([newHold({ id: "b", account: "settled" })]);
      await scene.store.pruneAccounts(scene.clock.now());
      expect(await scene.store.hold([newHold({ account: "settled" })])).toEqual([HELD]);
      expect(await scene.store.balances()).toMatchObject([{ held: newHold().amount, spent: requests(1) }]);
    });
  },
};
