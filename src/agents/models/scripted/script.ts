import type { Wire } from "../../../domain/wire.ts";
import type { FinishReason, ModelAnswer, ModelRequest, ModelUsage } from "../../../ports/model.ts";
import { estimateInput, estimateOutput } from "../tokens.ts";

/** A failure of the provider: its HTTP status, or more about it, or an error to throw as it is. */
export type ScriptedError =
  | number
  | { readonly status?: number; readonly retryAfterMs?: number; readonly message?: string }
  | Error;

/** What a scripted model does once. `text`, `json`, `calls`, `chunks`, `error`, `malformed`, `dropped`
 * or `hang` says what; `calls` may have a `text`. */
export interface ScriptedAnswer {
  readonly text?: string;
  /** Becomes the text of the answer, as JSON. */
  readonly json?: unknown;
  readonly calls?: readonly { readonly name: string; readonly arguments?: Wire; readonly id?: string }[];
  /** The text in the pieces in which it streams. With `error` it breaks off after the last. */
  readonly chunks?: readonly string[];
  readonly error?: ScriptedError;
  /** Answers in a format that nobody can read. */
  readonly malformed?: true;
  /** The connection breaks, after the chunks where there are any. */
  readonly dropped?: true;
  /** Never answers: waits to be aborted. */
  readonly hang?: true;
  readonly reasoning?: string;
  /** Before the answer, and between chunks. Default 0. */
  readonly delayMs?: number;
  /** What differs from what is counted. */
  readonly usage?: Partial<ModelUsage>;
  readonly costMicroUsd?: number;
  readonly finish?: FinishReason;
}

/** A text is an answer, too; a function looks at the request first. */
export type ScriptStep = string | ScriptedAnswer | ((request: ModelRequest) => ScriptStep);

export function resolveStep(step: ScriptStep, request: ModelRequest): ScriptedAnswer {
  if (typeof step === "function") return resolveStep(step(request), request);
  return typeof step === "string" ? { text: step } : step;
}

const BYTES_PER_TOKEN = 4;

/** The tokenizer of scripts: the same everywhere and for ever, and below the estimate, as real ones are. */
export const scriptedTokens = (text: string): number => Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);

/** The text of an answer in pieces. */
export const chunksOf = ({ text = "", json, chunks }: ScriptedAnswer): readonly string[] =>
  chunks ?? [json === undefined ? text : JSON.stringify(json)];

/** The whole answer to a request. `number` counts the calls of a model and makes the ids of tool calls its own. */
export function answerOf(scripted: ScriptedAnswer, request: ModelRequest, number: number): ModelAnswer {
  const { reasoning, costMicroUsd, finish, usage } = scripted;
  const calls = (scripted.calls ?? []).map(({ name, id, arguments: given = {} }, index) => ({
    id: id ?? `call-${number}-${index + 1}`,
    name,
    arguments: given,
  }));
  const said = { text: chunksOf(scripted).join(""), calls, ...(reasoning !== undefined && { reasoning }) };
  return {
    ...said,
    finish: finish ?? (calls.length > 0 ? "tool-calls" : "stop"),
    usage: {
      inputTokens: estimateInput(request, scriptedTokens),
      outputTokens: estimateOutput(said, scriptedTokens),
      ...usage,
    },
    ...(costMicroUsd !== undefined && { costMicroUsd }),
  };
}

/** What a request last said, for messages and for rules. */
export function lastSaid({ messages }: ModelRequest): string {
  const last = messages.at(-1);
  if (last === undefined) return "";
  return last.role === "tool" ? last.answers.map(({ output }) => JSON.stringify(output)).join("\n") : last.text;
}
