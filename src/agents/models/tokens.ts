import type { Message, ModelAnswer, ModelRequest, ModelUsage } from "../../ports/model.ts";
import { countPieces } from "./pieces.ts";

/*
 * Counting tokens without a tokenizer. Every maker has another one and some keep theirs to themselves; what is needed here is a
 * number that is too high rather than too low, because money is reserved by it.
 */

/** What is asked for when nobody says: reservations count on it, so it is always sent. */
export const DEFAULT_MAX_OUTPUT_TOKENS = 4_096;

const BYTES_PER_TOKEN = 3.2;
const TOKENS_PER_PIECE = 1.4;
const TOKENS_PER_MESSAGE = 8; // role, separators, the beginning of the answer
const TOKENS_PER_TOOL = 16;

/**
 * About how many tokens a text is. Prose, code, digests and Chinese came out 1.1 to 1.9 times what o200k_base and cl100k_base count;
 * letters in no order of any language up to half of it, which is what budgets settle afterwards.
 */
export function estimateTokens(text: string): number {
  if (text === "") return 0;
  return Math.ceil(Math.max(Buffer.byteLength(text) / BYTES_PER_TOKEN, countPieces(text) * TOKENS_PER_PIECE));
}

type Count = (text: string) => number;

/** About how many tokens a request is, tools and schema included. */
export function estimateInput(
  { messages, tools = [], output }: Pick<ModelRequest, "messages" | "tools" | "output">,
  count: Count = estimateTokens,
): number {
  let tokens = output === undefined ? 0 : TOKENS_PER_TOOL + count(JSON.stringify(output));
  for (const tool of tools) tokens += TOKENS_PER_TOOL + count(JSON.stringify(tool));
  const ofMessage = count === estimateTokens ? estimateMessage : (message: Message) => messageTokens(message, count);
  for (const message of messages) tokens += TOKENS_PER_MESSAGE + ofMessage(message);
  return tokens;
}

/** A conversation is estimated before each call, and a turn adds two messages to it: the others are known. */
const known = new WeakMap<Message, number>();

function estimateMessage(message: Message): number {
  const tokens = known.get(message) ?? messageTokens(message, estimateTokens);
  known.set(message, tokens);
  return tokens;
}

function messageTokens(message: Message, count: Count): number {
  switch (message.role) {
    case "system":
    case "user":
      return count(message.text);
    case "assistant": {
      const calls = message.calls === undefined ? "" : JSON.stringify(message.calls);
      const provider = message.provider === undefined ? "" : JSON.stringify(message.provider);
      return count(message.text) + count(calls) + count(provider);
    }
    case "tool":
      return message.answers.reduce((sum, answer) => sum + TOKENS_PER_TOOL + count(JSON.stringify(answer)), 0);
  }
}

/** About how many tokens an answer is. */
export const estimateOutput = (
  { text, reasoning = "", calls }: Pick<ModelAnswer, "text" | "reasoning" | "calls">,
  count: Count = estimateTokens,
): number => count(text) + count(reasoning) + (calls.length === 0 ? 0 : count(JSON.stringify(calls)));

/** Usage where the provider says nothing, or only half of it. */
export function usageOr(
  said: Partial<ModelUsage>,
  request: ModelRequest,
  answer: Pick<ModelAnswer, "text" | "reasoning" | "calls">,
): ModelUsage {
  const { inputTokens, outputTokens, ...rest } = said;
  const known = inputTokens !== undefined && outputTokens !== undefined;
  return {
    inputTokens: inputTokens ?? estimateInput(request),
    outputTokens: outputTokens ?? estimateOutput(answer),
    ...rest,
    ...(!known && { estimated: true }),
  };
}

/** What several calls used together. */
export function sumUsage(usages: readonly ModelUsage[]): ModelUsage {
  const sum = (name: "cacheReadTokens" | "cacheWriteTokens" | "reasoningTokens"): number =>
    usages.reduce((total, usage) => total + (usage[name] ?? 0), 0);
  const [cacheReadTokens, cacheWriteTokens, reasoningTokens] = [
    sum("cacheReadTokens"),
    sum("cacheWriteTokens"),
    sum("reasoningTokens"),
  ];
  return {
    inputTokens: usages.reduce((total, usage) => total + usage.inputTokens, 0),
    outputTokens: usages.reduce((total, usage) => total + usage.outputTokens, 0),
    ...(cacheReadTokens > 0 && { cacheReadTokens }),
    ...(cacheWriteTokens > 0 && { cacheWriteTokens }),
    ...(reasoningTokens > 0 && { reasoningTokens }),
    ...(usages.some(({ estimated }) => estimated) && { estimated: true }),
  };
}
