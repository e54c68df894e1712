import { sha256 } from "../../../domain/sha256.ts";
import type { Wire } from "../../../domain/wire.ts";
import type { Message, ModelAnswer, ModelRequest } from "../../../ports/model.ts";
import { isRecord } from "../openai/answer.ts";
import { scriptedTokens } from "../scripted/script.ts";

/*
 * OpenAI's chat completions from the server's side: requests as we know them, answers as they are sent.
 */

type Json = Readonly<Record<string, unknown>>;

/** As much of a request as scripts look at. */
export function requestFrom(body: Json): ModelRequest {
  const names = new Map<string, string>();
  const messages = (Array.isArray(body["messages"]) ? body["messages"] : [])
    .filter(isRecord)
    .map((message) => messageFrom(message, names));
  const limit = body["max_completion_tokens"] ?? body["max_tokens"];
  return { messages, settings: typeof limit === "number" ? { maxOutputTokens: limit } : {} };
}

function messageFrom(
  { role, content, tool_calls: calls, tool_call_id: id }: Json,
  names: Map<string, string>,
): Message {
  const text = textOf(content);
  if (role === "tool") return { role, answers: [{ id: String(id), name: names.get(String(id)) ?? "", output: text }] };
  if (role === "assistant") {
    const made = (Array.isArray(calls) ? calls : []).filter(isRecord).map((call) => {
      const named = isRecord(call["function"]) ? call["function"] : {};
      names.set(String(call["id"]), String(named["name"]));
      return { id: String(call["id"]), name: String(named["name"]), arguments: String(named["arguments"]) };
    });
    return { role, text, ...(made.length > 0 && { calls: made }) };
  }
  return { role: role === "system" || role === "developer" ? "system" : "user", text };
}

/** A text, or parts of which some are texts. */
function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content
    .map((part: unknown) => (isRecord(part) && typeof part["text"] === "string" ? part["text"] : ""))
    .join("");
}

const usageOf = ({ usage }: ModelAnswer): Json => ({
  prompt_tokens: usage.inputTokens,
  completion_tokens: usage.outputTokens,
  total_tokens: usage.inputTokens + usage.outputTokens,
});

const finishOf = ({ finish }: ModelAnswer): string =>
  ({ "tool-calls": "tool_calls", "content-filter": "content_filter" })[String(finish)] ??
  (finish === "length" ? "length" : "stop");

const textOfArguments = (given: Wire): string => (typeof given === "string" ? given : JSON.stringify(given));

const callsOf = ({ calls }: ModelAnswer): readonly Json[] =>
  calls.map(({ id, name, arguments: given }) => ({
    id,
    type: "function",
    function: { name, arguments: textOfArguments(given) },
  }));

export function completion(answer: ModelAnswer, model: string, number: number): Json {
  const calls = callsOf(answer);
  const message = {
    role: "assistant",
    content: answer.text,
    ...(answer.reasoning !== undefined && { reasoning_content: answer.reasoning }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
  const choices = [{ index: 0, message, finish_reason: finishOf(answer) }];
  return { id: `mock-${number}`, object: "chat.completion", created: 0, model, choices, usage: usageOf(answer) };
}

/** The same in the chunks of a stream: its beginning, its pieces of text, its calls in halves, its end, its usage. */
export function chunksOfCompletion(
  answer: ModelAnswer,
  pieces: readonly string[],
  { model, number, withUsage }: { readonly model: string; readonly number: number; readonly withUsage: boolean },
): { readonly text: readonly Json[]; readonly rest: readonly Json[] } {
  const chunk = (delta: Json, finish: string | null = null): Json => ({
    id: `mock-${number}`,
    object: "chat.completion.chunk",
    created: 0,
    model,
    choices: [{ index: 0, delta, finish_reason: finish }],
  });
  const reasoning = answer.reasoning === undefined ? [] : [chunk({ reasoning_content: answer.reasoning })];
  const calls = callsOf(answer).flatMap((call, index) =>
    halves(call, index).map((half) => chunk({ tool_calls: [half] })),
  );
  const usage = withUsage ? [{ ...chunk({}), choices: [], usage: usageOf(answer) }] : [];
  return {
    text: [chunk({ role: "assistant", content: "" }), ...reasoning, ...pieces.map((content) => chunk({ content }))],
    rest: [...calls, chunk({}, finishOf(answer)), ...usage],
  };
}

/** As providers stream a call: who is called first, then what with, without repeating its id. */
function halves(call: Json, index: number): readonly Json[] {
  const { name, arguments: text } = isRecord(call["function"]) ? call["function"] : {};
  const given = String(text);
  const middle = Math.ceil(given.length / 2);
  return [
    { index, ...call, function: { name, arguments: given.slice(0, middle) } },
    { index, function: { arguments: given.slice(middle) } },
  ];
}

const DEFAULT_DIMENSIONS = 8;

/** Vectors that are the same for the same text, of length 1. */
export function embeddingsFor(body: Json): Json {
  const input: unknown = body["input"];
  const texts = (Array.isArray(input) ? input : [input]).map(String);
  const size = typeof body["dimensions"] === "number" ? body["dimensions"] : DEFAULT_DIMENSIONS;
  const tokens = texts.reduce((sum, text) => sum + scriptedTokens(text), 0);
  const data = texts.map((text, index) => ({ object: "embedding", index, embedding: vectorOf(text, size) }));
  return { object: "list", model: body["model"], data, usage: { prompt_tokens: tokens, total_tokens: tokens } };
}

function vectorOf(text: string, size: number): readonly number[] {
  const raw = Array.from(
    { length: size },
    (_, index) => Number.parseInt(sha256(`${index} ${text}`).slice(0, 6), 16) / 0xff_ffff - 0.5,
  );
  const length = Math.hypot(...raw) || 1;
  return raw.map((number) => number / length);
}
