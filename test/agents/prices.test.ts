import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { costOf, microUsd, priceBook, priceTable, publicPrices } from "../../src/agents/prices.ts";
import type { Price } from "../../src/ports/model.ts";

const gpt = { provider: "openai", id: "gpt-4o" };
const usage = { inputTokens: 1_000, outputTokens: 500 };
const price: Price = { input: 2_500_000, output: 10_000_000, cacheRead: 1_250_000, cacheWrite: 3_000_000, request: 7 };

describe("the cost of a call", () => {
  it.each([
    ["without a cache", usage, 2_500 + 5_000 + 7],
    ["with a cache that was read", { ...usage, cacheReadTokens: 400 }, 1_500 + 500 + 5_000 + 7],
    ["with a cache that was written", { ...usage, cacheWriteTokens: 1_000 }, 3_000 + 5_000 + 7],
    ["with more in the cache than went in", { inputTokens: 1, outputTokens: 0, cacheReadTokens: 10 }, 13 + 7],
    ["of nothing", { inputTokens: 0, outputTokens: 0 }, 7],
  ])("%s is whole micro-USD, rounded up", (_, used, cost) => {
    expect(costOf(price, used)).toBe(cost);
  });

  it("is exact where floating point is not", () => {
    expect(costOf({ input: 150_000, output: 600_000, cacheRead: 75_000 }, { ...usage, cacheReadTokens: 200 })).toBe(
      435,
    );
    expect(microUsd(0.00043499999999999995)).toBe(435);
    expect(microUsd(0.1 + 0.2)).toBe(300_000);
    expect(costOf({ input: 2 ** 40, output: 0 }, { inputTokens: 2 ** 12, outputTokens: 0 })).toBe(
      Number(2n ** 52n / 1_000_000n) + 1,
    );
  });

  it("grows with everything that is used", () => {
    const count = fc.nat(1_000_000);
    fc.assert(
      fc.property(count, count, count, (inputTokens, outputTokens, more) => {
        const cost = costOf(price, { inputTokens, outputTokens });
        expect(Number.isSafeInteger(cost)).toBe(true);
        expect(costOf(price, { inputTokens: inputTokens + more, outputTokens })).toBeGreaterThanOrEqual(cost);
        expect(costOf(price, { inputTokens, outputTokens: outputTokens + more })).toBeGreaterThanOrEqual(cost);
      }),
    );
  });
});

describe("prices as flujo.toml writes them", () => {
  it("are USD for 1,000 tokens, and become exact", () => {
    const row = {
      promptTokensPer1k: 0.00015,
      completionTokensPer1k: 0.0006,
      cacheReadTokensPer1k: 0.000075,
      cacheWriteTokensPer1k: 0,
    };
    expect(priceTable({ openai: { "gpt-4o-mini": row } })).toEqual({
      openai: { "gpt-4o-mini": { input: 150_000, output: 600_000, cacheRead: 75_000, cacheWrite: 0 } },
    });
  });
});

describe("a price book", () => {
  const table = { openai: { "gpt-4o": { input: 1_000_000, output: 0 } } };
  const fallback = { costMicroUsd: () => 99 };

  it("asks the model, then the table, then the fallback", () => {
    const book = priceBook({ table, fallback });
    expect(book.costMicroUsd({ ...gpt, price: { input: 0, output: 0 } }, usage)).toBe(0);
    expect(book.costMicroUsd(gpt, usage)).toBe(1_000);
    expect(book.costMicroUsd({ ...gpt, id: "gpt-5" }, usage)).toBe(99);
  });

  it("does not know what nobody has said", () => {
    expect(priceBook({ table }).costMicroUsd({ provider: "openai", id: "toString" }, usage)).toBeUndefined();
    expect(priceBook({}).costMicroUsd({ provider: "constructor", id: "name" }, usage)).toBeUndefined();
  });

  it("is an error for what a strict table lacks, whatever the fallback knows", () => {
    const book = priceBook({ table, fallback, strict: true });
    expect(book.costMicroUsd(gpt, usage)).toBe(1_000);
    expect(() => book.costMicroUsd({ provider: "acme", id: "a-1" }, usage)).toThrow(
      expect.objectContaining({
        code: "PRICING_NOT_CONFIGURED",
        message: expect.stringContaining("acme:a-1") as string,
      }),
    );
  });
});

describe("public prices", () => {
  it("know the large providers", async () => {
    const book = await publicPrices();
    expect(book.costMicroUsd({ provider: "openai", id: "gpt-4o-mini" }, { ...usage, cacheReadTokens: 200 })).toBe(435);
    for (const [provider, id] of [
      ["anthropic", "claude-sonnet-4-5"],
      ["google", "gemini-2.5-pro"],
      ["mistral", "mistral-large-latest"],
      ["groq", "llama-3.3-70b-versatile"],
    ] as const) {
      expect(book.costMicroUsd({ provider, id }, usage)).toBeGreaterThan(0);
    }
  });

  it.each([
    ["openai", "no-such-model"],
    ["ollama", "gpt-4o"],
    ["openai-compatible", "gpt-4o"],
    ["my-openai", "gpt-4o"],
    ["constructor", "gpt-4o"],
  ])("do not guess what %s:%s costs", async (provider, id) => {
    expect((await publicPrices()).costMicroUsd({ provider, id }, usage)).toBeUndefined();
  });

  it("survive a provider that counts its cache apart", async () => {
    const book = await publicPrices();
    expect(book.costMicroUsd(gpt, { inputTokens: 3, outputTokens: 5, cacheReadTokens: 50 })).toBeGreaterThan(50);
  });
});
