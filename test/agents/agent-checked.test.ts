import { agent, type AgentOptions, scriptedModel } from "flujo";
import { describe, expect, it } from "vitest";
import type { Schema } from "../../src/domain/schema.ts";

const REFUSED: readonly (readonly [given: object, says: string])[] = [
  [{ name: "" }, 'expected a name of 1 to 128 of A-Z a-z 0-9 . _ : - but found ""'],
  [{ name: "two words" }, 'but found "two words"'],
  [{ name: undefined }, "but found undefined"],
  [{ model: [] }, "agent a: expected at least one model but found none"],
  [{ model: undefined }, 'agent a: expected a model, or a text such as "openai:gpt-4o"'],
  [{ model: ["openai:gpt-4o", 5] }, "agent a: expected a model"],
  [{ output: {} }, "agent a: expected a schema in `output`"],
  [{ settings: { maxOutputTokens: 0 } }, "settings.maxOutputTokens: expected a whole number from 1 but found 0"],
  [{ repair: { maxReasks: Number.POSITIVE_INFINITY } }, "repair.maxReasks: expected a whole number from 0 to 10"],
  [{ repair: { level: 7 } }, "repair.level: expected 0, 1 or 2 but found 7"],
  [{ completion: "never" }, 'completion: expected "answer" or "signal" but found "never"'],
  [{ hints: { expectedCostUsd: -1 } }, "hints.expectedCostUsd: expected a number of at least 0 but found -1"],
];

describe("an agent", () => {
  it.each(REFUSED)("is none with %o", (given, says) => {
    const options = { name: "a", model: scriptedModel([]), ...given } as AgentOptions<unknown, Schema>;
    expect(() => agent(options)).toThrow(expect.objectContaining({ code: "OPTION_INVALID" }));
    expect(() => agent(options)).toThrow(says);
  });

  it("takes all that it may be given", () => {
    const settings = { maxOutputTokens: 1, temperature: 0 };
    const repair = { level: 0, maxReasks: 0 } as const;
    const { name } = agent({
      name: "a",
      model: ["openai:gpt-4o", scriptedModel([])],
      settings,
      repair,
      completion: "signal",
    });
    expect(name).toBe("a");
  });
});
