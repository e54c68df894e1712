import type { FinishReason, ModelUsage } from "../../../ports/model.ts";
import { microUsd } from "../../prices.ts";
import { isRecord } from "./shape.ts";

/** Providers whose flat counts (specification v2) leave out what a cache supplied or took. Newer specifications count it in. */
const WITHOUT_CACHE: readonly string[] = ["anthropic", "amazon-bedrock", "vertex"];

/** Usage in either form: flat numbers (v2) or totals with their parts (v3, v4). What is not said stays absent. */
export function usageFrom(usage: unknown, biller: string, metadata: unknown): Partial<ModelUsage> {
  if (!isRecord(usage)) return {};
  const { inputTokens: input, outputTokens: output } = usage;
  if (isRecord(input) || isRecord(output)) return nested(isRecord(input) ? input : {}, isRecord(output) ? output : {});
  const cacheReadTokens = count(usage["cachedInputTokens"]);
  const cacheWriteTokens = count(at(metadata, "anthropic", "cacheCreationInputTokens"));
  const apart = WITHOUT_CACHE.includes(biller) ? (cacheReadTokens ?? 0) + (cacheWriteTokens ?? 0) : 0;
  const inputTokens = count(input);
  return known({
    inputTokens: inputTokens === undefined ? undefined : inputTokens + apart,
    outputTokens: count(output),
    cacheReadTokens,
    cacheWriteTokens,
    reasoningTokens: count(usage["reasoningTokens"]),
  });
}

function nested(
  input: Readonly<Record<string, unknown>>,
  output: Readonly<Record<string, unknown>>,
): Partial<ModelUsage> {
  const [cacheReadTokens, cacheWriteTokens] = [count(input["cacheRead"]), count(input["cacheWrite"])];
  const reasoningTokens = count(output["reasoning"]);
  return known({
    inputTokens: count(input["total"]) ?? sum(count(input["noCache"]), cacheReadTokens, cacheWriteTokens),
    outputTokens: count(output["total"]) ?? sum(count(output["text"]), reasoningTokens),
    cacheReadTokens,
    cacheWriteTokens,
    reasoningTokens,
  });
}

/** The first must be known: cached tokens alone say nothing of the rest. */
const sum = (first: number | undefined, ...rest: readonly (number | undefined)[]): number | undefined =>
  first === undefined ? undefined : rest.reduce<number>((total, one) => total + (one ?? 0), first);

const count = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isFinite(value) && value >= 0 ? Math.ceil(value) : undefined;

type Counts = { readonly [name in Exclude<keyof ModelUsage, "estimated">]: number | undefined };

function known(counts: Counts): Partial<ModelUsage> {
  return Object.fromEntries(Object.entries(counts).filter(([, value]) => value !== undefined));
}

/** What a gateway says the call cost, in micro-USD: Vercel's and OpenRouter's do, in USD. */
export function statedCost(metadata: unknown): number | undefined {
  const stated = at(metadata, "gateway", "cost") ?? at(metadata, "openrouter", "usage", "cost");
  const usd = typeof stated === "string" && stated.trim() !== "" ? Number(stated) : stated;
  return typeof usd === "number" && Number.isFinite(usd) && usd >= 0 ? microUsd(usd) : undefined;
}

const FINISH: { readonly [reason: string]: FinishReason } = {
  stop: "stop",
  length: "length",
  "tool-calls": "tool-calls",
  "content-filter": "content-filter",
  error: "error",
};

/** A word (v2), or a word with the provider's own (v3, v4). */
export function finishFrom(reason: unknown): FinishReason {
  const word = isRecord(reason) ? reason["unified"] : reason;
  return typeof word === "string" && Object.hasOwn(FINISH, word) ? (FINISH[word] ?? "other") : "other";
}

function at(from: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (isRecord(value) ? value[key] : undefined), from);
}
