import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sameWire } from "../../src/domain/canonical.ts";
import { FlujoError } from "../../src/domain/errors.ts";
import type { Wire } from "../../src/domain/wire.ts";
import type { MergeStrategy, Reducer } from "../../src/definition/node.ts";
import { mergeContexts } from "../../src/planner/context.ts";
import { CASES } from "./values.ts";

/** Few keys and few values, so that children meet; one key with a dot, which no path may confuse with a nested one. */
const leaf = (): fc.Arbitrary<Wire> => fc.constantFrom<Wire>(0, 1, 2, "a", null, true, [1], [1, 2], { $bigint: "1" });
const context = (): fc.Arbitrary<Wire> =>
  fc.letrec<{ record: Wire; value: Wire }>((tie) => ({
    value: fc.oneof({ depthSize: "small" }, leaf(), tie("record")),
    record: fc
      .uniqueArray(fc.tuple(fc.constantFrom("a", "b", "c", "a.b"), tie("value")), {
        selector: ([key]) => key,
        maxLength: 4,
      })
      .map((entries) => Object.fromEntries(entries) as Wire),
  })).record;

const CHANGING: readonly MergeStrategy[] = [
  { kind: "context-update" },
  { kind: "overwrite" },
  { kind: "keep-first" },
  { kind: "error-on-conflict" },
];
const strategy = (): fc.Arbitrary<MergeStrategy> => fc.constantFrom(...CHANGING);
const named = (contexts: readonly Wire[]): { name: string; context: Wire }[] =>
  contexts.map((one, i) => ({ name: `child ${i}`, context: one }));

/** The merged context, or "conflict". */
function merge(before: Wire, contexts: readonly Wire[], how: MergeStrategy): Wire {
  try {
    return mergeContexts(before, named(contexts), how);
  } catch (error) {
    if (error instanceof FlujoError && error.code === "CONTEXT_CONFLICT") return "conflict";
    throw error;
  }
}

const inOrder = (numbers: readonly number[]): number[] => [...new Set(numbers)].sort((a, b) => a - b);
const shown = (value: Wire): string => JSON.stringify(value);

describe("merging the contexts of children", () => {
  it("changes nothing when they changed nothing", () => {
    fc.assert(
      fc.property(context(), fc.nat(4), strategy(), (before, children, how) => {
        const copies = Array.from({ length: children }, () => JSON.parse(shown(before)) as Wire);
        expect(merge(before, copies, how)).toBe(before);
      }),
      CASES,
    );
  });

  it("takes over what an only child made of it", () => {
    fc.assert(
      fc.property(context(), context(), strategy(), (before, after, how) => {
        const merged = merge(before, [after], how);
        expect(sameWire(merged, after), `${shown(before)} → ${shown(after)} gave ${shown(merged)}`).toBe(true);
      }),
      CASES,
    );
  });

  it("keeps the context before under no-merge", () => {
    fc.assert(
      fc.property(context(), fc.array(context(), { maxLength: 4 }), (before, children) => {
        expect(merge(before, children, { kind: "no-merge" })).toBe(before);
      }),
      CASES,
    );
  });

  it("finds a conflict in any order, and where there is none the order does not matter", () => {
    fc.assert(
      fc.property(
        context(),
        fc.array(context(), { maxLength: 4 }),
        fc.constantFrom<MergeStrategy>({ kind: "error-on-conflict" }, { kind: "context-update" }),
        (before, children, how) => {
          const [one, other] = [merge(before, children, how), merge(before, children.toReversed(), how)];
          expect(sameWire(one, other), `${shown(one)} and in reverse ${shown(other)}`).toBe(true);
        },
      ),
      CASES,
    );
  });

  it("overwrites as it keeps the first, in reverse", () => {
    fc.assert(
      fc.property(context(), fc.array(context(), { maxLength: 4 }), (before, children) => {
        const last = merge(before, children, { kind: "overwrite" });
        const first = merge(before, children.toReversed(), { kind: "keep-first" });
        expect(sameWire(last, first), `overwrite ${shown(last)}, keep-first in reverse ${shown(first)}`).toBe(true);
      }),
      CASES,
    );
  });

  it("gives every strategy the same where nothing conflicts", () => {
    fc.assert(
      fc.property(context(), fc.array(context(), { maxLength: 3 }), (before, children) => {
        const plain = merge(before, children, { kind: "error-on-conflict" });
        fc.pre(plain !== "conflict");
        for (const how of CHANGING) expect(sameWire(merge(before, children, how), plain)).toBe(true);
      }),
      CASES,
    );
  });

  it.each<[Reducer]>([["sum"], ["max"], ["min"]])("reduces numbers by %s in any order", (reducer) => {
    const how: MergeStrategy = { kind: "context-update", reducers: { n: reducer } };
    fc.assert(
      fc.property(fc.integer(), fc.array(fc.integer(), { minLength: 1, maxLength: 5 }), (before, numbers) => {
        const children = numbers.map((n) => ({ n }));
        const merged = merge({ n: before }, children, how);
        expect(merge({ n: before }, children.toReversed(), how)).toEqual(merged);
        if (reducer === "sum") expect(merged).toEqual({ n: numbers.reduce((sum, n) => sum + n - before, before) });
      }),
      CASES,
    );
  });

  it("unites lists as sets, in any order", () => {
    const how: MergeStrategy = { kind: "context-update", reducers: { list: "union" } };
    const list = fc.array(fc.nat(5), { maxLength: 5 });
    fc.assert(
      fc.property(list, fc.array(list, { minLength: 1, maxLength: 4 }), (before, lists) => {
        const members = (wire: Wire): unknown[] => inOrder((wire as { list: number[] }).list);
        const children = lists.map((one) => ({ list: one }));
        const merged = members(merge({ list: before }, children, how));
        expect(members(merge({ list: before }, children.toReversed(), how))).toEqual(merged);
        expect(merged).toEqual(inOrder([...before, ...lists.flat()]));
      }),
      CASES,
    );
  });

  it("appends what each child appended, in declared order", () => {
    const how: MergeStrategy = { kind: "context-update", reducers: { list: "append" } };
    const list = fc.array(fc.nat(), { maxLength: 5 });
    fc.assert(
      fc.property(list, fc.array(list, { minLength: 1, maxLength: 4 }), (before, added) => {
        const children = added.map((more) => ({ list: [...before, ...more] }));
        expect(merge({ list: before }, children, how)).toEqual({ list: [...before, ...added.flat()] });
      }),
      CASES,
    );
  });
});
