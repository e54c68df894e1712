import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Config, loadConfig } from "../../src/config/load.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "flujo-cost-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function load(text: string, env: Readonly<Record<string, string>> = {}): Promise<Config> {
  writeFileSync(join(folder, "flujo.toml"), text);
  return loadConfig({ cwd: folder, env });
}

describe("[cost]", () => {
  it("has prices and estimates by provider and model", async () => {
    const { cost, warnings } = await load(`
[cost]
strict = true
[cost.providers.openai."gpt-4.1"]
prompt_tokens_per_1k = 0.002
completion_tokens_per_1k = 0.008
cache_read_tokens_per_1k = 0.0005
[cost.estimators.openai."gpt-4.1"]
expected_tokens = 2000
expected_cost_usd = 0.05
`);
    expect(warnings).toEqual([]);
    expect(cost).toEqual({
      strict: true,
      providers: {
        openai: { "gpt-4.1": { promptTokensPer1k: 0.002, completionTokensPer1k: 0.008, cacheReadTokensPer1k: 0.0005 } },
      },
      estimators: { openai: { "gpt-4.1": { expectedTokens: 2_000, expectedCostUsd: 0.05 } } },
    });
  });

  it.each([
    ["[cost]\nstrict = true", "", true],
    ["[cost]\nstrict = true", "no", false],
    ["", "yes", true],
  ])("%j with FLUJO_COST_STRICT=%s is strict: %s", async (text, variable, strict) => {
    expect((await load(text, { FLUJO_COST_STRICT: variable })).cost.strict).toBe(strict);
  });

  it.each([
    ["cost = 3", /:1: \[cost\]: expected a table/],
    ["[cost]\nproviders = 3", /cost\.providers: expected a table/],
    ["[cost.providers]\nopenai = 3", /cost\.providers\.openai: expected a table/],
    ["[cost.providers.openai.gpt-4o]\nprompt_tokens_per_1k = 1", /gpt-4o: expected completion_tokens_per_1k/],
    [
      '[cost.providers.openai.m]\nprompt_tokens_per_1k = "a"\ncompletion_tokens_per_1k = -1',
      /prompt_tokens_per_1k: expected a number[^]*completion_tokens_per_1k: expected a number/,
    ],
    ["[cost.providers.openai.gpt-4.1]\nprompt_tokens_per_1k = 1\ncompletion_tokens_per_1k = 1", /written in quotes/],
    ['[cost]\nstrict = "maybe"', /cost\.strict: expected true or false/],
  ])("%j is refused", async (text, says) => {
    await expect(load(text)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringMatching(says) as string,
    });
  });

  it("warns of what it does not know", async () => {
    const { warnings } = await load("[cost]\nstrickt = true\n[cost.estimators.openai.m]\nexpected_token = 1");
    expect(warnings.join("\n")).toMatch(/unknown key "expected_token"; did you mean "expected_tokens"\?/);
    expect(warnings.join("\n")).toMatch(/unknown key "cost.strickt"; did you mean "cost.strict"\?/);
  });
});
