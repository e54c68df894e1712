import type { Wire } from "../../../domain/wire.ts";
import type { ModelAnswer, ModelRequest } from "../../../ports/model.ts";
import { unreadable } from "../failures.ts";
import { usageOr } from "../tokens.ts";
import { type RawCall, toolCalls } from "../tool-calls.ts";
import { memoOf, type MemoPart } from "./memo.ts";
import { billerOf, isRecord } from "./shape.ts";
import { finishFrom, statedCost, usageFrom } from "./usage.ts";

export interface Asked {
  readonly request: ModelRequest;
  /** The provider's own name for itself, and the model's. */
  readonly provider: string;
  readonly modelId: string;
}

/** What `doGenerate` resolves with, or what a stream amounts to. */
export interface Result {
  readonly content: readonly unknown[];
  readonly finishReason: unknown;
  readonly usage: unknown;
  readonly providerMetadata: unknown;
  readonly model: unknown;
}

/** The result of `doGenerate`. Throws MODEL_ANSWER_UNREADABLE. */
export function resultFrom(result: unknown, asked: Asked): Result {
  if (!isRecord(result) || !Array.isArray(result["content"])) {
    throw unreadable(named(asked), `expected content but found ${isRecord(result) ? "none" : typeof result}`);
  }
  const { content, finishReason, usage, providerMetadata, response } = result;
  const model = isRecord(response) ? response["modelId"] : undefined;
  return { content: content as readonly unknown[], finishReason, usage, providerMetadata, model };
}

export const named = ({ provider, modelId }: Asked): { readonly provider: string; readonly id: string } => ({
  provider: billerOf(provider),
  id: modelId,
});

/** Sources, files and what the provider ran itself are not ours to keep or to do. */
export function answerFrom(result: Result, asked: Asked): ModelAnswer {
  const memo: MemoPart[] = [];
  const raw: RawCall[] = [];
  let [text, reasoning] = ["", ""];
  for (const part of result.content) {
    if (!isRecord(part)) continue;
    const meta = metaOf(part);
    if (part["type"] === "text") {
      const said = stringOf(part["text"]);
      memo.push({ type: "text", length: said.length, ...meta });
      text += said;
    } else if (part["type"] === "reasoning") {
      const thought = stringOf(part["text"]);
      memo.push({ type: "reasoning", text: thought, ...meta });
      reasoning += thought;
    } else if (part["type"] === "custom") {
      memo.push({ type: "custom", kind: stringOf(part["kind"]), ...meta });
    } else if (part["type"] === "tool-call" && part["providerExecuted"] !== true) {
      raw.push(rawCall(part));
      memo.push({ type: "tool-call", id: "", ...meta }); // its id is settled below
    }
  }
  const calls = toolCalls(raw);
  const provider = memoOf(asked.provider, withIds(memo, calls));
  const said = { text, calls, ...(reasoning !== "" && { reasoning }) };
  const costMicroUsd = statedCost(result.providerMetadata);
  return {
    ...said,
    finish: finishFrom(result.finishReason),
    usage: usageOr(usageFrom(result.usage, billerOf(asked.provider), result.providerMetadata), asked.request, said),
    ...(costMicroUsd !== undefined && { costMicroUsd }),
    ...(typeof result.model === "string" && { model: result.model }),
    ...(provider !== undefined && { provider }),
  };
}

function withIds(memo: readonly MemoPart[], calls: readonly { readonly id: string }[]): readonly MemoPart[] {
  const ids = calls.map(({ id }) => id);
  return memo.map((part) => (part.type === "tool-call" ? { ...part, id: ids.shift() ?? "" } : part));
}

function rawCall(part: Readonly<Record<string, unknown>>): RawCall {
  const { toolCallId, toolName, input } = part;
  return {
    id: typeof toolCallId === "string" ? toolCallId : undefined,
    name: stringOf(toolName),
    arguments: typeof input === "string" ? input : JSON.stringify(input ?? {}),
  };
}

const stringOf = (value: unknown): string => (typeof value === "string" ? value : "");

/** As JSON, for it is stored: a provider may put anything into it. */
function metaOf(part: Readonly<Record<string, unknown>>): { readonly meta?: Wire } {
  const { providerMetadata } = part;
  return isRecord(providerMetadata) ? { meta: JSON.parse(JSON.stringify(providerMetadata)) as Wire } : {};
}
