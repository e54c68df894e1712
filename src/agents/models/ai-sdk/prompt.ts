import type { GenerateOptions, Message, ModelRequest, ToolAnswer } from "../../../ports/model.ts";
import { DEFAULT_MAX_OUTPUT_TOKENS } from "../tokens.ts";
import { partsOf } from "./memo.ts";
import type { CallOptions, PromptMessage, PromptPart } from "./shape.ts";

/** Our request in the words of the AI SDK. `provider`: its own name for itself. */
export function callOptions(
  { messages, tools = [], output, settings }: ModelRequest,
  { signal, idempotencyKey }: GenerateOptions,
  provider: string,
): CallOptions {
  const { maxOutputTokens = DEFAULT_MAX_OUTPUT_TOKENS, providerOptions, ...sampling } = settings;
  return {
    prompt: messages.map((message) => promptMessage(message, provider)),
    maxOutputTokens,
    ...sampling,
    ...(output && { responseFormat: { type: "json", name: output.name, schema: output.schema } }),
    ...(tools.length > 0 && {
      tools: tools.map(({ name, description, parameters }) => ({
        type: "function",
        name,
        description,
        inputSchema: parameters,
      })),
    }),
    ...(providerOptions && { providerOptions }),
    abortSignal: signal,
    headers: { "idempotency-key": idempotencyKey },
  };
}

function promptMessage(message: Message, provider: string): PromptMessage {
  switch (message.role) {
    case "system":
      return { role: "system", content: message.text };
    case "user":
      return { role: "user", content: [{ type: "text", text: message.text }] };
    case "assistant":
      return { role: "assistant", content: partsOf(message, provider) };
    case "tool":
      return { role: "tool", content: message.answers.map(resultPart) };
  }
}

function resultPart({ id, name, output, isError }: ToolAnswer): PromptPart {
  const kind = typeof output === "string" ? "text" : "json";
  return {
    type: "tool-result",
    toolCallId: id,
    toolName: name,
    output: { type: isError === true ? `error-${kind}` : kind, value: output },
  };
}
