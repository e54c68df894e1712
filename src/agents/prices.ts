import { FlujoError } from "../domain/errors.ts";
import type { Model, ModelUsage, Price, PriceBook } from "../ports/model.ts";

/*
 * What calls cost, in whole micro-USD, rounded up: a budget that is short by a fraction is not kept. Floating point is left where
 * it comes in (0.00043499999999999995 USD was the answer to 1,000 tokens of gpt-4o-mini), all sums are of integers.
 */

type Named = Pick<Model, "provider" | "id" | "price">;

/** Prices by provider and model, as flujo.toml gives them. */
export type PriceTable = { readonly [provider: string]: { readonly [model: string]: Price } };

export interface PriceBookOptions {
  /** The user's own prices: they come first. */
  readonly table?: PriceTable;
  /** Asked for what the table lacks, for example `await publicPrices()`. */
  readonly fallback?: PriceBook;
  /** Only the table counts, and a price that is missing there is an error at once. Default false. */
  readonly strict?: boolean;
}

/**
 * The order is: the model's own price, the table, the fallback; else the cost is not known. With `strict` there is no fallback, and
 * `costMicroUsd` throws PRICING_NOT_CONFIGURED instead. Throws OPTION_INVALID for prices that are none. Source: Flujo, cost and
 * pricing.
 */
export function priceBook({ table = {}, fallback, strict = false }: PriceBookOptions): PriceBook {
  checkPrices(table);
  return {
    costMicroUsd: (model, usage) => {
      const price = model.price ?? inTable(table, model);
      if (price !== undefined) return costOf(price, usage);
      if (strict) throw notConfigured(model);
      return fallback?.costMicroUsd(model, usage);
    },
  };
}

function checkPrices(table: PriceTable): void {
  const prices = Object.entries(table).flatMap(([provider, models]) =>
    Object.entries(models).map(([model, price]) => [`prices.${provider}.${model}`, price] as const),
  );
  for (const [where, price] of prices) {
    const wrong = Object.entries(price).find(([, amount]) => !Number.isFinite(amount) || amount < 0);
    if (wrong === undefined) continue;
    const [name, amount] = wrong;
    const says = `${where}.${name}: expected micro-USD for a million tokens but found ${amount}`;
    throw new FlujoError("OPTION_INVALID", says);
  }
}

const notConfigured = ({ provider, id }: Named): FlujoError =>
  new FlujoError("PRICING_NOT_CONFIGURED", `[cost] is strict, and has no price for ${provider}:${id}`, {
    details: { provider, model: id },
  });

function inTable(table: PriceTable, { provider, id }: Named): Price | undefined {
  const models = Object.hasOwn(table, provider) ? table[provider] : undefined;
  return models !== undefined && Object.hasOwn(models, id) ? models[id] : undefined;
}

const PER_MILLION = 1_000_000n;

/** What a call costs at a price. Cached tokens without a price of their own cost what others do. */
export function costOf(price: Price, usage: ModelUsage): number {
  const { input, cached, written, output } = parts(usage);
  const pico =
    input * exact(price.input) +
    cached * exact(price.cacheRead ?? price.input) +
    written * exact(price.cacheWrite ?? price.input) +
    output * exact(price.output);
  return Number((pico + PER_MILLION - 1n) / PER_MILLION + exact(price.request ?? 0));
}

const exact = (amount: number): bigint => BigInt(Math.ceil(amount));

/** What is cached is a part of what went in; a provider that says otherwise counts them apart. */
function parts(usage: ModelUsage): Readonly<Record<"input" | "cached" | "written" | "output", bigint>> {
  const { inputTokens, outputTokens, cacheReadTokens = 0, cacheWriteTokens = 0 } = usage;
  return {
    input: exact(Math.max(0, inputTokens - cacheReadTokens - cacheWriteTokens)),
    cached: exact(cacheReadTokens),
    written: exact(cacheWriteTokens),
    output: exact(outputTokens),
  };
}

/** USD as a provider or a list says them, in whole micro-USD: rounded up, after the dust of binary fractions is gone. */
export const microUsd = (usd: number): number => Math.ceil(Math.round(usd * 1e12) / 1e6);

/** USD for 1,000 tokens, as flujo.toml writes prices, in micro-USD for a million. */
const perMillion = (usdPer1k: number): number => microUsd(usdPer1k * 1_000);

/** Prices as flujo.toml writes them: USD for 1,000 tokens. */
export interface PriceRow {
  readonly promptTokensPer1k: number;
  readonly completionTokensPer1k: number;
  readonly cacheReadTokensPer1k?: number;
  readonly cacheWriteTokensPer1k?: number;
}

/** The table of a price book from `[cost.providers]`. */
export function priceTable(rows: { readonly [provider: string]: { readonly [model: string]: PriceRow } }): PriceTable {
  const tables = Object.entries(rows).map(([provider, models]) => {
    const prices = Object.entries(models).map(([model, row]) => [model, priceFrom(row)] as const);
    return [provider, Object.fromEntries(prices)] as const;
  });
  return Object.fromEntries(tables);
}

const priceFrom = (row: PriceRow): Price => ({
  input: perMillion(row.promptTokensPer1k),
  output: perMillion(row.completionTokensPer1k),
  ...(row.cacheReadTokensPer1k !== undefined && { cacheRead: perMillion(row.cacheReadTokensPer1k) }),
  ...(row.cacheWriteTokensPer1k !== undefined && { cacheWrite: perMillion(row.cacheWriteTokensPer1k) }),
});

/** What providers are called in the public list. It guesses (to it "my-openai" is OpenAI), so nothing else is looked up there. */
const PUBLIC_NAMES: { readonly [provider: string]: string } = {
  "amazon-bedrock": "aws",
  bedrock: "aws",
  "google-vertex": "google",
  vertex: "google",
  xai: "x-ai",
};

/** Prices that providers publish, as the package @pydantic/genai-prices lists them. Loaded when first asked for: it is 0.8 MB. */
export async function publicPrices(): Promise<PriceBook> {
  const { calcPrice, findProvider } = await import("@pydantic/genai-prices");
  return {
    costMicroUsd: ({ provider: name, id }, usage) => {
      const providerId = Object.hasOwn(PUBLIC_NAMES, name) ? PUBLIC_NAMES[name] : name;
      const provider = providerId === undefined ? undefined : findProvider({ providerId });
      if (provider === undefined || provider.id !== providerId) return undefined;
      const { input, cached, written, output } = parts(usage);
      const counts = {
        input_tokens: Number(input + cached + written),
        cache_read_tokens: Number(cached),
        cache_write_tokens: Number(written),
        output_tokens: Number(output),
      };
      const found = calcPrice(counts, id, { provider });
      return found === null ? undefined : microUsd(found.total_price);
    },
  };
}
