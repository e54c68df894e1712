import type { Estimate, EstimateHints } from "../ports/agency.ts";
import type { Model, ModelRequest, ModelUsage, PriceBook } from "../ports/model.ts";
import { DEFAULT_MAX_OUTPUT_TOKENS, estimateInput } from "./models/tokens.ts";
import { microUsd } from "./prices.ts";

/** What a call of a model is expected to take at most, by provider and model, as flujo.toml gives it. */
export type EstimatorTable = { readonly [provider: string]: { readonly [model: string]: EstimateHints } };

export interface EstimateOptions {
  /** What the step says itself: it comes first. */
  readonly hints?: EstimateHints;
  readonly table?: EstimatorTable;
  readonly prices: PriceBook;
}

const MARGIN = 1.1; // tokenizers differ between makers: the worst case is not the usual one

/**
 * The worst that a request may take, to be reserved before it is made. Hints of the step come first, then the table, then what
 * can be counted: the input with a margin, and as much output as was asked for. A model that may ask several (a fallback) may have
 * to pay each. The cost is undefined when no price is known. Source: Flujo, estimators.
 */
export function estimateRequest(model: Model, request: ModelRequest, options: EstimateOptions): Estimate {
  const hints = options.hints ?? {};
  const known = hints.expectedCostUsd !== undefined && hints.expectedTokens !== undefined;
  const all = model.asks ?? [model];
  if (known || all.length === 0) return one(model, request, options);
  const estimates = all.map((asked) =>
    asked === model ? one(asked, request, options) : estimateRequest(asked, request, options),
  );
  return estimates.reduce(add);
}

const add = (a: Estimate, b: Estimate): Estimate => ({
  inputTokens: a.inputTokens + b.inputTokens,
  outputTokens: a.outputTokens + b.outputTokens,
  costMicroUsd:
    a.costMicroUsd === undefined || b.costMicroUsd === undefined ? undefined : a.costMicroUsd + b.costMicroUsd,
});

function one(model: Model, request: ModelRequest, { hints = {}, table = {}, prices }: EstimateOptions): Estimate {
  const row = rowOf(table, model);
  const expectedTokens = hints.expectedTokens ?? row.expectedTokens;
  const expectedCostUsd = hints.expectedCostUsd ?? row.expectedCostUsd;
  const tokens = expectedTokens === undefined ? counted(request) : split(request, expectedTokens);
  const costMicroUsd = expectedCostUsd === undefined ? worstCost(model, tokens, prices) : microUsd(expectedCostUsd);
  return { ...tokens, costMicroUsd };
}

function rowOf(table: EstimatorTable, { provider, id }: Model): EstimateHints {
  const models = Object.hasOwn(table, provider) ? table[provider] : undefined;
  return (models !== undefined && Object.hasOwn(models, id) ? models[id] : undefined) ?? {};
}

type Tokens = Pick<ModelUsage, "inputTokens" | "outputTokens">;

const counted = (request: ModelRequest): Tokens => ({
  inputTokens: Math.ceil(estimateInput(request) * MARGIN),
  outputTokens: request.settings.maxOutputTokens ?? DEFAULT_MAX_OUTPUT_TOKENS,
});

/** What is expected in all: the output is what the input leaves of it, and output is what is dear. */
function split(request: ModelRequest, expectedTokens: number): Tokens {
  const expected = Math.ceil(expectedTokens);
  const inputTokens = Math.min(expected, estimateInput(request));
  return { inputTokens, outputTokens: expected - inputTokens };
}

/** Writing a cache may cost more than reading the input without one: nobody knows beforehand what a provider will do. */
function worstCost(model: Model, tokens: Tokens, prices: PriceBook): number | undefined {
  const plain = prices.costMicroUsd(model, tokens);
  const written = prices.costMicroUsd(model, { ...tokens, cacheWriteTokens: tokens.inputTokens });
  return plain === undefined || written === undefined ? undefined : Math.max(plain, written);
}
