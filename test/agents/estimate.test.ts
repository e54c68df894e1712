import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { estimateRequest } from "../../src/agents/estimate.ts";
import { estimateInput, estimateTokens } from "../../src/agents/models/tokens.ts";
import { costOf, priceBook } from "../../src/agents/prices.ts";
import type { Message, Model, ModelRequest } from "../../src/ports/model.ts";

const price = { input: 3_000_000, output: 15_000_000, cacheRead: 300_000, cacheWrite: 3_750_000 };
const model: Model = { provider: "acme", id: "a-1", price, generate: () => Promise.reject(new Error("never called")) };
const prices = priceBook({});
const request: ModelRequest = {
  messages: [{ role: "user", text: "one two three" }],
  settings: { maxOutputTokens: 100 },
};

describe("an estimate", () => {
  it("is the counted input with a margin, and all the output that is asked for, at the dearest price of input", () => {
    const inputTokens = Math.ceil(estimateInput(request) * 1.1);
    const costMicroUsd = costOf(price, { inputTokens, outputTokens: 100, cacheWriteTokens: inputTokens });
    expect(estimateRequest(model, request, { prices })).toEqual({ inputTokens, outputTokens: 100, costMicroUsd });
  });

  it("counts on 4,096 tokens of output where nobody says", () => {
    expect(estimateRequest(model, { ...request, settings: {} }, { prices }).outputTokens).toBe(4_096);
  });

  it("believes the step, then the table, then itself", () => {
    const table = { acme: { "a-1": { expectedCostUsd: 0.02, expectedTokens: 300 } } };
    const total = ({ inputTokens, outputTokens }: { inputTokens: number; outputTokens: number }): number =>
      inputTokens + outputTokens;
    const fromTable = estimateRequest(model, request, { prices, table });
    expect([total(fromTable), fromTable.costMicroUsd]).toEqual([300, 20_000]);
    const fromStep = estimateRequest(model, request, {
      prices,
      table,
      hints: { expectedTokens: 50, expectedCostUsd: 0.1 },
    });
    expect([total(fromStep), fromStep.costMicroUsd]).toEqual([50, 100_000]);
    const mixed = estimateRequest(model, request, { prices, hints: { expectedTokens: 50 } });
    expect(total(mixed)).toBe(50);
    expect(mixed.costMicroUsd).toBeGreaterThan(0);
  });

  it("has no cost where no price is known, unless somebody expects one", () => {
    const { price: _, ...unpriced } = model;
    expect(estimateRequest(unpriced, request, { prices }).costMicroUsd).toBeUndefined();
    expect(estimateRequest(unpriced, request, { prices, hints: { expectedCostUsd: 0.000001 } }).costMicroUsd).toBe(1);
  });

  it("adds up all models that may have to be paid", () => {
    const one = estimateRequest(model, request, { prices });
    const both = estimateRequest({ ...model, asks: [model, { ...model, id: "a-2" }] }, request, { prices });
    expect(both).toEqual({
      inputTokens: one.inputTokens * 2,
      outputTokens: one.outputTokens * 2,
      costMicroUsd: (one.costMicroUsd ?? 0) * 2,
    });
  });

  const message: fc.Arbitrary<Message> = fc.oneof(
    fc.record({ role: fc.constantFrom("system", "user"), text: fc.string({ unit: "grapheme", maxLength: 400 }) }),
    fc.record({
      role: fc.constant("assistant"),
      text: fc.lorem(),
      calls: fc.array(
        fc.record({ id: fc.string(), name: fc.string(), arguments: fc.jsonValue() as fc.Arbitrary<string> }),
      ),
    }),
  );

  it("is never below what any mix of caches makes of the same tokens", () => {
    fc.assert(
      fc.property(
        fc.array(message),
        fc.nat(10_000),
        fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true })),
        (messages, maxOutputTokens, [read, written]) => {
          const asked: ModelRequest = { messages, settings: { maxOutputTokens } };
          const worst = estimateRequest(model, asked, { prices });
          const inputTokens = estimateInput(asked);
          const cacheReadTokens = Math.floor(inputTokens * read);
          const cacheWriteTokens = Math.floor((inputTokens - cacheReadTokens) * written);
          const spent = costOf(price, {
            inputTokens,
            outputTokens: maxOutputTokens,
            cacheReadTokens,
            cacheWriteTokens,
          });
          expect(worst.inputTokens).toBeGreaterThanOrEqual(inputTokens);
          expect(worst.costMicroUsd).toBeGreaterThanOrEqual(spent);
        },
      ),
    );
  });

  it("never shrinks when a request grows", () => {
    fc.assert(
      fc.property(fc.array(message), message, (messages, more) => {
        const before = estimateRequest(model, { messages, settings: {} }, { prices });
        const after = estimateRequest(model, { messages: [...messages, more], settings: {} }, { prices });
        expect(after.inputTokens).toBeGreaterThan(before.inputTokens);
      }),
    );
  });
});

describe("counting tokens", () => {
  /** Counted once with the tokenizer of gpt-4o (o200k_base). */
  it.each([
    ["", 0],
    ["The quick brown fox jumps over the lazy dog.", 10],
    ["今天天气很好，我们去公园散步吧。", 12],
    ["a3f9c2d41b7e8f60a3f9c2d41b7e8f60", 28],
    ["const x = items.map((item) => item.id ?? 0);", 15],
    ["👩‍👩‍👧‍👦 🎉🎉🎉", 17],
    ["1234567890123456789012345678901234567890", 14],
    ["a b c d e f g h i j k l m n o p q r s t u v w x y z", 26],
  ])("is not below a real tokenizer for %j", (text, real) => {
    expect(estimateTokens(text)).toBeGreaterThanOrEqual(real);
  });
});
