import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Allowance,
  amountOf,
  exceeded,
  forfeit,
  fullQuota,
  leaving,
  missing,
  NOTHING_SPENT,
  plus,
  type Quota,
  refund,
  reserve,
  settle,
  sliceOf,
  type Spending,
  split,
  UNITS,
  usdText,
  without,
} from "../../src/domain/quota.ts";
import { CASES } from "./values.ts";

const amount = (most: number): fc.Arbitrary<Spending> =>
  fc.record({
    costMicroUsd: fc.nat(most),
    inputTokens: fc.nat(most),
    outputTokens: fc.nat(most),
    requests: fc.nat(2),
    toolCalls: fc.nat(2),
  });

const allowance = (): fc.Arbitrary<Allowance> =>
  fc.record(Object.fromEntries(UNITS.map((unit) => [unit, fc.nat(2_000)])), {
    requiredKeys: [],
  }) as fc.Arbitrary<Allowance>;

/** What happens to a tree of fibers; numbers choose among those that are there. */
type Move =
  | { readonly kind: "reserve"; readonly who: number; readonly wanted: Spending }
  /** `share`: how much of what was reserved is used, in hundredths. */
  | { readonly kind: "settle"; readonly who: number; readonly which: number; readonly share: number }
  | { readonly kind: "fork"; readonly who: number; readonly children: number; readonly more: number }
  | { readonly kind: "join"; readonly who: number }
  | { readonly kind: "crash"; readonly who: number };

const move = (): fc.Arbitrary<Move> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("reserve" as const), who: fc.nat(), wanted: amount(300) }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("settle" as const),
        who: fc.nat(),
        which: fc.nat(),
        share: fc.nat(100),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("fork" as const),
        who: fc.nat(),
        children: fc.oneof(fc.constantFrom(1, 2, 3), fc.constant(64)),
        more: fc.nat(2),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("join" as const), who: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("crash" as const), who: fc.nat() }) },
  );

interface Node {
  quota: Quota;
  readonly parent: Node | undefined;
  children: number;
}

const scaled = (spending: Spending, share: number): Spending => {
  const part = (whole: number): number => Math.floor((whole * share) / 100);
  const { costMicroUsd, inputTokens, outputTokens, requests, toolCalls } = spending;
  return {
    costMicroUsd: part(costMicroUsd),
    inputTokens: part(inputTokens),
    outputTokens: part(outputTokens),
    requests: part(requests),
    toolCalls: part(toolCalls),
  };
};

/** Fibers that split and come back, and a book beside them of what was really asked and used. */
class Tree {
  readonly nodes: Node[];
  reserved = NOTHING_SPENT;
  settled = NOTHING_SPENT;
  refunded = NOTHING_SPENT;

  constructor(limits: Allowance) {
    this.nodes = [{ quota: fullQuota(limits), parent: undefined, children: 0 }];
  }

  #pick(who: number): Node {
    return this.nodes[who % this.nodes.length] as Node;
  }

  move(one: Move): void {
    const node = this.#pick(one.who);
    switch (one.kind) {
      case "reserve":
        if (missing(node.quota, one.wanted) !== undefined) return;
        this.reserved = plus(this.reserved, one.wanted);
        node.quota = reserve(node.quota, one.wanted);
        return;
      case "settle": {
        const held = Object.entries(node.quota.held);
        const [id, whole] = held[one.which % Math.max(1, held.length)] ?? ["none", NOTHING_SPENT];
        this.#ended(whole, scaled(whole, one.share));
        node.quota = settle(node.quota, id, scaled(whole, one.share));
        return;
      }
      case "fork": {
        const slices = split(node.quota, one.children, one.children + one.more);
        for (const slice of slices) this.nodes.push({ quota: sliceOf(node.quota, slice), parent: node, children: 0 });
        node.children += slices.length;
        node.quota = without(node.quota, slices);
        return;
      }
      case "join":
        if (node.parent === undefined || node.children > 0) return;
        for (const whole of Object.values(node.quota.held)) this.#ended(whole, whole);
        node.parent.quota = refund(node.parent.quota, leaving(node.quota));
        node.parent.children -= 1;
        this.nodes.splice(this.nodes.indexOf(node), 1);
        return;
      case "crash":
        for (const whole of Object.values(node.quota.held)) this.#ended(whole, whole);
        node.quota = forfeit(node.quota);
    }
  }

  #ended(whole: Spending, spent: Spending): void {
    this.settled = plus(this.settled, spent);
    const minus = (unit: keyof Spending): number => whole[unit] - spent[unit];
    this.refunded = plus(this.refunded, {
      costMicroUsd: minus("costMicroUsd"),
      inputTokens: minus("inputTokens"),
      outputTokens: minus("outputTokens"),
      requests: minus("requests"),
      toolCalls: minus("toolCalls"),
    });
  }

  /** All children come back, last born first. */
  comeBack(): void {
    for (let i = this.nodes.length - 1; i > 0; i--) this.move({ kind: "join", who: i }); // parents are older
    this.move({ kind: "crash", who: 0 });
  }

  /** What is left, held and spent of each limited unit; not a number where something is left that is less than nothing. */
  sums(limits: Allowance): Readonly<Record<string, number>> {
    const sums: Record<string, number> = {};
    for (const unit of UNITS) {
      if (limits[unit] === undefined) continue;
      let sum = 0;
      for (const { quota } of this.nodes) {
        const left = quota.left[unit] ?? Number.NaN;
        sum += (left < 0 ? Number.NaN : left) + amountOf(quota.spent, unit);
        for (const held of Object.values(quota.held)) sum += amountOf(held, unit);
      }
      sums[unit] = sum;
    }
    return sums;
  }
}

describe("a quota", () => {
  it("is conserved: what is left, held and spent in all fibers is the limit, whatever they do", () => {
    fc.assert(
      fc.property(allowance(), fc.array(move(), { maxLength: 60, size: "max" }), (limits, moves) => {
        const tree = new Tree(limits);
        for (const one of moves) {
          tree.move(one);
          if (tree.nodes.length < 8) expect(tree.sums(limits)).toEqual(limits);
        }
        expect(tree.sums(limits)).toEqual(limits);
        tree.comeBack();
        expect(tree.nodes).toHaveLength(1);
        const root = (tree.nodes[0] as Node).quota;
        expect(root.held).toEqual({});
        expect(root.spent).toEqual(tree.settled);
        expect(plus(tree.settled, tree.refunded)).toEqual(tree.reserved);
        expect(tree.sums(limits)).toEqual(limits);
      }),
      CASES,
    );
  });

  it("gives slices that are whole, never more than there is, and all of it where all take part", () => {
    fc.assert(
      fc.property(allowance(), fc.integer({ min: 1, max: 100 }), fc.nat(3), (limits, children, more) => {
        const slices = split(fullQuota(limits), children, children + more);
        expect(slices).toHaveLength(children);
        for (const unit of UNITS) {
          const limit = limits[unit];
          const given = slices.map((slice) => slice[unit]);
          if (limit === undefined) expect(given.every((one) => one === undefined)).toBe(true);
          else {
            const amounts = given.map((one) => one ?? Number.NaN);
            const sum = amounts.reduce((a, b) => a + b, 0);
            expect(amounts.every((one) => Number.isInteger(one) && one >= 0)).toBe(true);
            expect(Math.max(...amounts) - Math.min(...amounts)).toBeLessThanOrEqual(1);
            if (more === 0) expect(sum).toBe(limit);
            else expect(sum).toBeLessThanOrEqual(limit);
          }
        }
      }),
      CASES,
    );
  });

  it("says which unit ran over when work took more than was reserved, and has nothing left of it", () => {
    fc.assert(
      fc.property(fc.nat(100), fc.nat(100), fc.nat(300), (limit, reserved, spent) => {
        fc.pre(reserved <= limit);
        const cost = (costMicroUsd: number): Spending => ({ ...NOTHING_SPENT, costMicroUsd });
        const quota = settle(reserve(fullQuota({ costMicroUsd: limit }), cost(reserved)), "0", cost(spent));
        expect(quota.over).toBe(spent > limit ? "costMicroUsd" : undefined);
        expect(quota.left.costMicroUsd).toBe(Math.max(0, limit - spent));
        expect(quota.spent.costMicroUsd).toBe(spent);
        expect(refund(fullQuota({ costMicroUsd: 0 }), leaving(quota)).over).toBe(quota.over);
      }),
      CASES,
    );
  });

  it.each<[keyof Allowance, number, string, string]>([
    ["costMicroUsd", 500_000, "COST_LIMIT_EXCEEDED", "Cost limit of $0.5 exceeded"],
    ["costMicroUsd", 1_000_000, "COST_LIMIT_EXCEEDED", "Cost limit of $1 exceeded"],
    ["costMicroUsd", 1, "COST_LIMIT_EXCEEDED", "Cost limit of $0.000001 exceeded"],
    ["totalTokens", 1_000, "TOKEN_LIMIT_EXCEEDED", "Token limit of 1000 exceeded"],
    ["inputTokens", 7, "TOKEN_LIMIT_EXCEEDED", "Input token limit of 7 exceeded"],
    ["outputTokens", 7, "TOKEN_LIMIT_EXCEEDED", "Output token limit of 7 exceeded"],
    ["requests", 3, "QUOTA_EXCEEDED", "Request limit of 3 exceeded"],
    ["toolCalls", 3, "QUOTA_EXCEEDED", "Tool call limit of 3 exceeded"],
  ])("tells who wants too much of %s (%i)", (unit, limit, code, message) => {
    expect(exceeded({ limits: { [unit]: limit } }, unit)).toMatchObject({ code, message, details: { unit, limit } });
  });

  it("writes money as people do", () => {
    expect([0, 10, 1_234_567, 10_000_000].map(usdText)).toEqual(["0", "0.00001", "1.234567", "10"]);
  });
});
