import { describe, expect, it } from "vitest";
import { type Budget, budgetOf, type BudgetTables, NO_BUDGETS } from "../../src/config/budgets.ts";
import { readToml } from "../../src/config/toml.ts";
import { limitsOf } from "../../src/runner/limits.ts";

const budgetsIn = (text: string): BudgetTables => readToml("flujo.toml", text).budgets;

const HOUSE = `
[budgets.default]
total_cost_usd_limit = 9
total_tokens_limit = 900
[budgets.pipeline."team-*"]
total_cost_usd_limit = 1
[budgets.pipeline."team-a-?"]
total_cost_usd_limit = 2
[budgets.pipeline.team-a-1]
total_tokens_limit = 300
`;

describe("the budget of a flow in flujo.toml", () => {
  it.each<[string, Budget]>([
    ["team-a-1", { limits: { totalTokens: 300 }, source: "budgets.pipeline[team-a-1]" }],
    ["team-a-2", { limits: { costUsd: 1 }, source: "budgets.pipeline[team-*]" }],
    ["other", { limits: { costUsd: 9, totalTokens: 900 }, source: "budgets.default" }],
    ["a-team-b", { limits: { costUsd: 9, totalTokens: 900 }, source: "budgets.default" }],
  ])("of %s is the exact one, else the first whose pattern fits, else the default", (flow, expected) => {
    expect(budgetOf(budgetsIn(HOUSE), flow)).toEqual(expected);
  });

  it("is none where nothing fits", () => {
    expect(budgetOf(NO_BUDGETS, "other")).toEqual({ limits: {}, source: "none" });
    expect(budgetOf(budgetsIn("[budgets.pipeline.review]\ntotal_tokens_limit = 1"), "reviews").source).toBe("none");
  });

  it("takes the signs of regular expressions by the letter", () => {
    const budgets = budgetsIn('[budgets.pipeline."a.b(*"]\ntotal_tokens_limit = 1');
    expect(budgetOf(budgets, "a.b(c").source).toBe("budgets.pipeline[a.b(*]");
    expect(budgetOf(budgets, "axb(c").source).toBe("none");
  });

  it("is refused with its line when it is no number, and odd names are told", () => {
    expect(() => budgetsIn('[budgets.default]\ntotal_cost_usd_limit = "1"')).toThrow(
      /flujo\.toml:2: budgets\.default\.total_cost_usd_limit: expected a number of at least 0/,
    );
    expect(() => budgetsIn("[budgets]\npipeline = 3")).toThrow(/expected a table: \[budgets\.pipeline\]/);
    const { warnings } = readToml("flujo.toml", "[budgets.default]\ntotal_token_limit = 1\n[budgets.pipelines]");
    expect(warnings).toEqual([
      expect.stringMatching(/unknown key "budgets\.pipelines".*pipeline/),
      expect.stringMatching(/unknown key "total_token_limit".*total_tokens_limit/),
    ]);
  });
});

describe("budget case: of the code and of flujo.toml", () => {
  const toml = (exact: string): BudgetTables =>
    budgetsIn(`${exact}\n[budgets.pipeline."rev*"]\ntotal_cost_usd_limit = 1\ntotal_tokens_limit = 50`);
  const exact = "[budgets.pipeline.review]\ntotal_cost_usd_limit = 3";

  it.each([
    ["5 and an exact 3 beside a pattern's 1 give 3", 5, exact, { costMicroUsd: 3_000_000 }],
    ["5 and a pattern's 1 give 1", 5, "", { costMicroUsd: 1_000_000, totalTokens: 50 }],
    ["0.5 stays 0.5, and the tokens are those of the file", 0.5, "", { costMicroUsd: 500_000, totalTokens: 50 }],
  ])("%s", (_, costUsd, section, limits) => {
    expect(limitsOf({ costUsd }, toml(section))("review")).toEqual({ limits });
  });

  it("nothing stays unlimited", () => {
    expect(limitsOf(undefined, NO_BUDGETS)("review")).toEqual({});
  });
});
