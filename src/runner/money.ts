import { priceTable } from "../agents/prices.ts";
import type { CostSection } from "../config/cost.ts";
import type { ModelOptions } from "./agency.ts";

type Money = Pick<ModelOptions, "prices" | "estimates" | "strictPricing">;

/** What calls cost, as the code says and, where it says nothing, flujo.toml. */
export function moneyOf(
  { prices = {}, estimates = {}, strictPricing }: Money,
  { providers, estimators, strict }: CostSection,
): Required<Money> {
  return {
    prices: over(prices, priceTable(providers)),
    estimates: over(estimates, estimators),
    strictPricing: strictPricing ?? strict,
  };
}

type ByModel<T> = { readonly [provider: string]: { readonly [model: string]: T } };

function over<T>(first: ByModel<T>, second: ByModel<T>): ByModel<T> {
  const names = new Set([...Object.keys(first), ...Object.keys(second)]);
  return Object.fromEntries([...names].map((name) => [name, { ...second[name], ...first[name] }]));
}
