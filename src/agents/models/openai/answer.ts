import type { FinishReason, ModelAnswer, ModelDelta, ModelRequest, ModelUsage } from "../../../ports/model.ts";
import { microUsd } from "../../prices.ts";
import { usageOr } from "../tokens.ts";
import { type RawCall, toolCalls } from "../tool-calls.ts";

/** A completion, whole or a piece of one, as far as we read it: servers differ in everything else. */
interface Completion {
  readonly model?: unknown;
  readonly choices?: unknown;
  readonly usage?: unknown;
}

const FINISH: { readonly [reason: string]: FinishReason } = {
  stop: "stop",
  length: "length",
  tool_calls: "tool-calls",
  function_call: "tool-calls",
  content_filter: "content-filter",
};

interface PartialCall {
  id: string | undefined;
  name: string;
  arguments: string;
}

/** Puts an answer together from one whole completion, or from the chunks of a stream. */
export class AnswerReader {
  readonly #tell: ((delta: ModelDelta) => void) | undefined;
  readonly #calls = new Map<number, PartialCall>();
  #text = "";
  #reasoning = "";
  #finish: unknown;
  #usage: unknown;
  #model: unknown;
  #found = false;

  constructor(tell?: (delta: ModelDelta) => void) {
    this.#tell = tell;
  }

  /** False for what is no completion. */
  take(json: unknown): boolean {
    if (!isRecord(json)) return false;
    const { model, choices, usage }: Completion = json;
    this.#model = model ?? this.#model;
    if (isRecord(usage)) this.#usage = usage;
    if (!Array.isArray(choices)) return isRecord(usage);
    const choice: unknown = choices[0];
    if (!isRecord(choice)) return choices.length === 0; // the last chunk of a stream has only the usage
    this.#finish = choice["finish_reason"] ?? this.#finish;
    const said = choice["message"] ?? choice["delta"];
    if (!isRecord(said)) return choice["finish_reason"] !== undefined;
    this.#found = true;
    this.#say(said);
    return true;
  }

  /** Whether the model has come to an end: a stream may close before. */
  get isComplete(): boolean {
    return this.#found && typeof this.#finish === "string";
  }

  /** Everything received, for counting what a broken stream cost. */
  get received(): string {
    return this.#text + this.#reasoning + [...this.#calls.values()].map((call) => call.name + call.arguments).join("");
  }

  answer(request: ModelRequest): ModelAnswer {
    const raw: RawCall[] = [...this.#calls].sort(([a], [b]) => a - b).map(([, call]) => call);
    const reasoning = this.#reasoning;
    const said = { text: this.#text, calls: toolCalls(raw), ...(reasoning !== "" && { reasoning }) };
    const cost = isRecord(this.#usage) ? this.#usage["cost"] : undefined;
    const reason = String(this.#finish);
    return {
      ...said,
      finish: (Object.hasOwn(FINISH, reason) ? FINISH[reason] : undefined) ?? "other",
      usage: usageOr(usageFrom(this.#usage), request, said),
      ...(typeof cost === "number" && cost >= 0 && { costMicroUsd: microUsd(cost) }),
      ...(typeof this.#model === "string" && { model: this.#model }),
    };
  }

  #say(said: Readonly<Record<string, unknown>>): void {
    const text = stringOf(said["content"]);
    const reasoning = stringOf(said["reasoning_content"] ?? said["reasoning"]);
    this.#reasoning += reasoning;
    this.#text += text;
    if (reasoning !== "") this.#tell?.({ type: "reasoning", text: reasoning });
    if (text !== "") this.#tell?.({ type: "text", text });
    const calls: unknown = said["tool_calls"];
    if (Array.isArray(calls)) calls.forEach((call: unknown, at) => isRecord(call) && this.#call(call, at));
  }

  /** Chunks of one call share an index. */
  #call(call: Readonly<Record<string, unknown>>, at: number): void {
    const { index = at, id, function: named } = call;
    const { name, arguments: given } = isRecord(named) ? named : {};
    const key = Number(index);
    const known = this.#calls.get(key);
    const partial = known ?? { id: undefined, name: "", arguments: "" };
    if (typeof id === "string" && id !== "") partial.id = id;
    partial.name += stringOf(name);
    partial.arguments += typeof given === "string" ? given : isRecord(given) ? JSON.stringify(given) : "";
    if (known !== undefined) return;
    this.#calls.set(key, partial);
    this.#tell?.({ type: "tool-call", id: partial.id ?? `call-${key + 1}`, name: partial.name });
  }
}

/** Prompt and completion, with what of them a cache and reasoning were. */
function usageFrom(usage: unknown): Partial<ModelUsage> {
  if (!isRecord(usage)) return {};
  const { prompt_tokens_details: input, completion_tokens_details: output } = usage;
  const counts = {
    inputTokens: count(usage["prompt_tokens"]),
    outputTokens: count(usage["completion_tokens"]),
    cacheReadTokens: isRecord(input) ? count(input["cached_tokens"]) : undefined,
    reasoningTokens: isRecord(output) ? count(output["reasoning_tokens"]) : undefined,
  };
  return Object.fromEntries(Object.entries(counts).filter(([, value]) => value !== undefined));
}

const count = (value: unknown): number | undefined =>
  typeof value === "number" && value >= 0 ? Math.ceil(value) : undefined;
const stringOf = (value: unknown): string => (typeof value === "string" ? value : "");

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
