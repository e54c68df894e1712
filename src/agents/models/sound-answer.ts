import type { FinishReason, Model, ModelAnswer, ModelRequest, ModelUsage, ToolCall } from "../../ports/model.ts";
import { isRecord } from "./ai-sdk/shape.ts";
import { unreadable } from "./failures.ts";
import { usageOr } from "./tokens.ts";

/*
 * Anybody may write a model, and not every one counts. What is paid is what an answer says it used: a counter that is missing or
 * no number would be lost money, and one below zero would give back what was never spent.
 */

const COUNTERS = ["inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens", "reasoningTokens"] as const;
const FINISHES: ReadonlySet<unknown> = new Set<FinishReason>([
  "stop",
  "length",
  "tool-calls",
  "content-filter",
  "error",
  "other",
]);

/**
 * The answer of a model as everybody else relies on it; usage that it does not say is estimated. Throws MODEL_ANSWER_UNREADABLE for
 * an answer without text or calls.
 */
export function soundAnswer(
  model: Pick<Model, "provider" | "id" | "price">,
  request: ModelRequest,
  answer: ModelAnswer,
): ModelAnswer {
  const given: unknown = answer;
  if (!isRecord(given)) throw unreadable(model, `expected { text, calls, finish, usage } but found ${kindOf(given)}`);
  const { text, calls, finish } = given;
  if (typeof text !== "string") throw unreadable(model, `expected text in \`text\` but found ${kindOf(text)}`);
  if (!Array.isArray(calls) || !calls.every(isCall))
    throw unreadable(model, `expected a list of { id, name, arguments } in \`calls\` but found ${kindOf(calls)}`);
  const { costMicroUsd, ...rest } = answer;
  return {
    ...rest,
    finish: FINISHES.has(finish) ? answer.finish : "other",
    usage: usageOr(countersOf(given["usage"]), request, answer),
    ...(isCount(costMicroUsd) && { costMicroUsd: Math.ceil(costMicroUsd) }),
  };
}

const isCount = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value) && value >= 0;

const isCall = (call: unknown): call is ToolCall =>
  isRecord(call) && typeof call["id"] === "string" && typeof call["name"] === "string" && "arguments" in call;

function countersOf(usage: unknown): Partial<ModelUsage> {
  if (!isRecord(usage)) return {};
  const counted = COUNTERS.flatMap((name): [string, number][] => {
    const value = usage[name];
    return isCount(value) ? [[name, Math.ceil(value)]] : [];
  });
  return { ...Object.fromEntries(counted), ...(usage["estimated"] === true && { estimated: true }) };
}

function kindOf(value: unknown): string {
  if (value === undefined || value === null) return `${value}`;
  return Array.isArray(value) ? "a list of something else" : `a ${typeof value}`;
}
