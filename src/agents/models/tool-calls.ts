import type { Wire } from "../../domain/wire.ts";
import type { ModelAnswer, ModelDelta, ToolCall } from "../../ports/model.ts";

/** A tool call as providers write it: its arguments are text. */
export interface RawCall {
  readonly id: string | undefined;
  readonly name: string;
  readonly arguments: string;
}

/** Calls with parsed arguments and ids of which no two are the same: some servers send none, or the same for all. */
export function toolCalls(raw: readonly RawCall[]): readonly ToolCall[] {
  const taken = new Set<string>();
  return raw.map(({ id, name, arguments: text }, index) => {
    const own = id === undefined || id === "" || taken.has(id) ? `call-${index + 1}` : id;
    taken.add(own);
    return { id: own, name, arguments: argumentsFrom(text) };
  });
}

/** No arguments are sent as an empty text by some; what is no JSON stays text, which validation then refuses. */
function argumentsFrom(text: string): Wire {
  if (text.trim() === "") return {};
  try {
    return JSON.parse(text) as Wire;
  } catch {
    return text;
  }
}

/** Tells a whole answer in pieces, for models that have no stream. */
export function tellWhole(
  { reasoning, text, calls }: ModelAnswer,
  onDelta: ((delta: ModelDelta) => void) | undefined,
): void {
  if (onDelta === undefined) return;
  if (reasoning !== undefined && reasoning !== "") onDelta({ type: "reasoning", text: reasoning });
  if (text !== "") onDelta({ type: "text", text });
  for (const { id, name } of calls) onDelta({ type: "tool-call", id, name });
}
