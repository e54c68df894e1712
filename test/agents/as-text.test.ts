import { describe, expect, it } from "vitest";
import { asText } from "../../src/agents/as-text.ts";

describe("what a model is asked when nobody writes a prompt", () => {
  it.each([
    ["text", "hello", "hello"],
    ["nothing", undefined, "null"],
    ["a whole number of any size", { n: 10n ** 20n }, '{"n":"100000000000000000000"}'],
    ["a map and a set", { map: new Map([["a", 1]]), set: new Set([1, 2]) }, '{"map":{"a":1},"set":[1,2]}'],
    ["a date", { at: new Date(0) }, '{"at":"1970-01-01T00:00:00.000Z"}'],
  ])("is %s", (_, value, text) => {
    expect(asText(value)).toBe(text);
  });

  it("is never bytes", () => {
    expect(() => asText({ raw: new Uint8Array(2) })).toThrow("bytes cannot be part of a prompt");
  });
});
