import type { GenerateOptions, Model, ModelAnswer, ModelRequest } from "../../../ports/model.ts";
import type { Clock } from "../../../domain/ambient.ts";
import { untilAborted } from "../abort.ts";
import { modelFailure } from "../failures.ts";
import { tellWhole } from "../tool-calls.ts";
import { answerOf, chunksOf, type ScriptedAnswer, type ScriptedError } from "./script.ts";

export interface Stage {
  readonly model: Pick<Model, "provider" | "id" | "price">;
  readonly clock: Pick<Clock, "after">;
  /** How many calls there were, this one included. */
  readonly number: number;
}

export const REAL_CLOCK: Pick<Clock, "after"> = {
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/** Does what a step of a script says. */
export async function play(
  scripted: ScriptedAnswer,
  { request, options }: { readonly request: ModelRequest; readonly options: GenerateOptions },
  { model, clock, number }: Stage,
): Promise<ModelAnswer> {
  const { signal, onDelta } = options;
  const { delayMs = 0, chunks } = scripted;
  signal.throwIfAborted();
  if (scripted.hang === true) return untilAborted(signal, new Promise<never>(() => undefined));
  await pause(delayMs, signal, clock);
  const answer = answerOf(scripted, request, number);
  if (chunks === undefined) {
    throwScripted(scripted, model);
    tellWhole(answer, onDelta);
    return answer;
  }
  const { reasoning } = scripted;
  if (reasoning !== undefined) onDelta?.({ type: "reasoning", text: reasoning });
  for (const [index, text] of chunksOf(scripted).entries()) {
    if (index > 0) await pause(delayMs, signal, clock);
    onDelta?.({ type: "text", text });
  }
  throwScripted(scripted, model, answer);
  for (const { id, name } of answer.calls) onDelta?.({ type: "tool-call", id, name });
  return answer;
}

/** As a provider's package would throw it; half an answer is paid for. */
function throwScripted({ error, malformed, dropped }: ScriptedAnswer, model: Stage["model"], half?: ModelAnswer): void {
  const context = { model, ...(half && { usage: half.usage }) };
  if (malformed === true) throw modelFailure(new SyntaxError("scripted nonsense"), context);
  if (dropped === true) throw modelFailure(new TypeError("the connection was dropped, as the script says"), context);
  if (error === undefined) return;
  if (error instanceof Error) throw error;
  const { status, retryAfterMs, message = "scripted failure" } = failureParts(error);
  throw modelFailure({ message, status, headers: retryHeaders(retryAfterMs) }, context);
}

/** What a provider would answer with. */
export function failureParts(error: Exclude<ScriptedError, Error>): Exclude<ScriptedError, Error | number> {
  return typeof error === "number" ? { status: error } : error;
}

/** In whole seconds as the standard has it, and exactly as some providers do. */
export const retryHeaders = (retryAfterMs: number | undefined): Readonly<Record<string, string>> =>
  retryAfterMs === undefined
    ? {}
    : { "retry-after": String(Math.ceil(retryAfterMs / 1_000)), "retry-after-ms": String(retryAfterMs) };

export async function pause(delayMs: number, signal: AbortSignal, clock: Pick<Clock, "after">): Promise<void> {
  if (delayMs <= 0) return;
  let cancel: () => void = () => undefined;
  const over = new Promise<void>((resolve) => {
    cancel = clock.after(delayMs, resolve);
  });
  try {
    await untilAborted(signal, over);
  } finally {
    cancel();
  }
}
