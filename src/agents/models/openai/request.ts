import type { Wire } from "../../../domain/wire.ts";
import type { Message, ModelRequest } from "../../../ports/model.ts";
import { DEFAULT_MAX_OUTPUT_TOKENS } from "../tokens.ts";

type Json = { readonly [key: string]: unknown };

export interface BodyOptions {
  readonly model: string;
  /** Whose `providerOptions` are put into the body as they are. */
  readonly provider: string;
  readonly stream: boolean;
}

/** The body of POST /chat/completions. */
export function chatBody(
  { messages, tools = [], output, settings }: ModelRequest,
  { model, provider, stream }: BodyOptions,
): Json {
  const {
    maxOutputTokens = DEFAULT_MAX_OUTPUT_TOKENS,
    temperature,
    topP,
    topK,
    seed,
    stopSequences,
    providerOptions,
  } = settings;
  return {
    model,
    messages: messages.flatMap(chatMessages),
    max_tokens: maxOutputTokens,
    ...(temperature !== undefined && { temperature }),
    ...(topP !== undefined && { top_p: topP }),
    ...(topK !== undefined && { top_k: topK }),
    ...(seed !== undefined && { seed }),
    ...(stopSequences !== undefined && { stop: stopSequences }),
    ...(tools.length > 0 && {
      tools: tools.map(({ name, description, parameters }) => ({
        type: "function",
        function: { name, description, parameters },
      })),
    }),
    ...(output && {
      response_format: {
        type: "json_schema",
        json_schema: { name: output.name, schema: output.schema, ...(isStrict(output.schema) && { strict: true }) },
      },
    }),
    ...(stream && { stream: true, stream_options: { include_usage: true } }),
    ...providerOptions?.[provider],
  };
}

function chatMessages(message: Message): readonly Json[] {
  switch (message.role) {
    case "system":
    case "user":
      return [{ role: message.role, content: message.text }];
    case "assistant":
      return [{ role: "assistant", content: message.text, ...toolCallsOf(message.calls) }];
    case "tool":
      return message.answers.map(({ id, output, isError }) => ({
        role: "tool",
        tool_call_id: id,
        content: `${isError === true ? "Error: " : ""}${asText(output)}`,
      }));
  }
}

function toolCallsOf(calls: Extract<Message, { role: "assistant" }>["calls"] = []): Json {
  if (calls.length === 0) return {};
  return {
    tool_calls: calls.map(({ id, name, arguments: given }) => ({
      id,
      type: "function",
      function: { name, arguments: asText(given) },
    })),
  };
}

const asText = (wire: Wire): string => (typeof wire === "string" ? wire : JSON.stringify(wire));

/** Servers hold a model to a schema only when it leaves nothing open: else they refuse the request. */
function isStrict(schema: Wire): boolean {
  if (Array.isArray(schema)) return schema.every(isStrict);
  if (typeof schema !== "object" || schema === null) return true;
  const { properties, additionalProperties, required } = schema as { readonly [key: string]: Wire };
  const parts = Object.values(schema as { readonly [key: string]: Wire });
  if (typeof properties !== "object" || properties === null) return parts.every(isStrict);
  const needed = Array.isArray(required) ? required : [];
  return (
    additionalProperties === false &&
    Object.keys(properties).every((key) => needed.includes(key)) &&
    parts.every(isStrict)
  );
}
