import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Ballot, ballotsOf } from "../../../src/agents/consensus/ballot.ts";
import { judgeSelection } from "../../../src/agents/consensus/judge.ts";
import * as reducers from "../../../src/agents/consensus/reducers.ts";
import type { Wire } from "../../../src/domain/wire.ts";

const { codeConsensus, concat, first, keys, last, majorityVote, union, values } = reducers;

const won = (name: string, value: Wire): Ballot => ({ name, status: "fulfilled", value });
const lost = (name: string): Ballot => ({ name, status: "rejected", reason: { message: "oops" } });
const ballots = (...given: readonly Wire[]): readonly Ballot[] => given.map((value, i) => won(`b${i}`, value));

describe("majorityVote", () => {
  it("takes what most gave, compared by content", () => {
    expect(majorityVote(ballots({ a: 1, b: 2 }, "x", { b: 2, a: 1 }))).toEqual({
      ok: true,
      value: { a: 1, b: 2 },
      consensus: { strategy: "majority_vote", votes: 2, total: 3 },
    });
  });

  it("takes the earliest of equals", () => {
    expect(majorityVote(ballots("b", "a", "a", "b"))).toMatchObject({ value: "b", consensus: { votes: 2, total: 4 } });
  });

  it("gives the same for the same results, and what as many as any other gave", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom<Wire>(1, "1", null, [1], { a: 1 }), { minLength: 1 }), (given) => {
        const reduced = majorityVote(ballots(...given));
        expect(majorityVote(ballots(...given))).toEqual(reduced);
        if (!reduced.ok) throw new Error("expected a value");
        const count = (value: Wire) => given.filter((one) => JSON.stringify(one) === JSON.stringify(value)).length;
        expect(count(reduced.value)).toBe(reduced.consensus.votes);
        expect(Math.max(...given.map(count))).toBe(reduced.consensus.votes);
      }),
    );
  });
});

describe("codeConsensus", () => {
  it("takes the code that several gave, white space at its ends aside", () => {
    expect(codeConsensus(ballots("let a;", "let b; \nlet c;", "\nlet b;\nlet c;\n"))).toEqual({
      ok: true,
      value: "let b; \nlet c;",
      consensus: { strategy: "code_consensus", votes: 2, total: 3 },
    });
  });

  it("does not take indentation for white space", () => {
    expect(codeConsensus(ballots("if x:\n  y", "if x:\ny"))).toMatchObject({ consensus: { votes: 1 } });
  });

  it("falls back to the majority where no two agree", () => {
    expect(codeConsensus(ballots("a", "b"))).toEqual({
      ok: true,
      value: "a",
      consensus: { strategy: "majority_vote", votes: 1, total: 2 },
    });
  });
});

describe("judgeSelection", () => {
  const scores: Readonly<Record<string, number>> = { b0: 0.2, b1: 0.9, b2: 0.9 };
  const judge = judgeSelection(({ name }) => Promise.resolve({ score: scores[name] ?? 0, report: `of ${name}` }));

  it("takes the highest score, the earliest of equals, with the judge's report", async () => {
    expect(await judge(ballots("x", "y", "z"))).toEqual({
      ok: true,
      value: "y",
      consensus: { strategy: "judge_selection", votes: 1, total: 3, judgeScore: 0.9, judgeReport: "of b1" },
    });
  });

  it("does not ask about failures", async () => {
    const asked: string[] = [];
    const asking = judgeSelection(({ name }) => {
      asked.push(name);
      return Promise.resolve({ score: -1 });
    });
    expect(await asking([lost("a"), won("b", 1)])).toMatchObject({ value: 1, consensus: { judgeScore: -1, total: 1 } });
    expect(asked).toEqual(["b"]);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("fails on the score %d", async (score) => {
    const broken = judgeSelection(() => Promise.resolve({ score }));
    await expect(broken(ballots(1))).rejects.toMatchObject({ code: "AGENT_OUTPUT_INVALID" });
  });

  it("fails with its judge", async () => {
    const cause = new Error("no budget");
    await expect(judgeSelection(() => Promise.reject(cause))(ballots(1))).rejects.toBe(cause);
  });
});

describe("the plain reducers", () => {
  const given = [won("a", [1, 2]), lost("b"), won("c", [2, 3])];

  it.each([
    ["first", first, [1, 2], 1],
    ["last", last, [2, 3], 1],
    ["keys", keys, ["a", "c"], 2],
    [
      "values",
      values,
      [
        [1, 2],
        [2, 3],
      ],
      2,
    ],
    ["concat", concat, [1, 2, 2, 3], 2],
    ["union", union, [1, 2, 3], 2],
  ] as const)("give %s of those that succeeded, in declared order", (strategy, reduce, value, votes) => {
    expect(reduce(given)).toEqual({ ok: true, value, consensus: { strategy, votes, total: 2 } });
  });

  it("join records, the later one winning a key", () => {
    expect(union(ballots({ a: 1, b: 1 }, { b: 2 }))).toMatchObject({ value: { a: 1, b: 2 } });
  });

  it("count what is no list as a list of one", () => {
    expect(concat(ballots([1], 2, "x"))).toMatchObject({ value: [1, 2, "x"] });
  });

  it("make no union of a record and a list", () => {
    expect(union(ballots({}, []))).toMatchObject({ ok: false, failure: { code: "JOIN_FAILED" } });
  });
});

describe("every reducer", () => {
  const all = { codeConsensus, concat, first, keys, last, majorityVote, union, values };
  const judge = judgeSelection(() => Promise.resolve({ score: 1 }));

  it.each(Object.entries({ ...all, judge }))(
    "%s fails as consensus_empty when nothing succeeded",
    async (_, reduce) => {
      expect(await reduce([lost("a"), lost("b")])).toMatchObject({
        ok: false,
        failure: {
          code: "JOIN_FAILED",
          message: "consensus_empty: all 2 results are failures",
          details: { reason: "consensus_empty", failed: ["a", "b"] },
        },
      });
      expect(await reduce([])).toMatchObject({
        ok: false,
        failure: { message: expect.stringContaining("no results") },
      });
    },
  );
});

describe("ballotsOf", () => {
  it("reads what a join of settled branches gives", () => {
    const settled = { a: { status: "fulfilled", value: 1 }, b: { status: "rejected", reason: { code: "X" } } };
    expect(ballotsOf(settled)).toEqual([won("a", 1), { name: "b", status: "rejected", reason: { code: "X" } }]);
  });

  it("reads what a join of settled items gives", () => {
    expect(ballotsOf([{ status: "fulfilled", value: 1 }])).toEqual([won("0", 1)]);
  });

  it.each([1, null, "x", [1], { a: { status: "running" } }, [{ status: "fulfilled", value: 1 }, null]])(
    "knows nothing of %j",
    (other) => {
      expect(ballotsOf(other)).toBeUndefined();
    },
  );
});
