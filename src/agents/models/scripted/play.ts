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
  const { delayMs = 0, chunks, error } = scripted;
  signal.throwIfAborted();
  if (scripted.hang === true) return untilAborted(signal, new Promise<never>(() => undefined));
  await pause(delayMs, signal, clock);
  const answer = answerOf(scripted, request, number);
  if (chunks === undefined) {
    if (error !== undefined) throw thrownBy(error, model);
    tellWhole(answer, onDelta);
    return answer;
  }
  const { reasoning } = scripted;
  if (reasoning !== undefined) onDelta?.({ type: "reasoning", text: reasoning });
  for (const [index, text] of chunksOf(scripted).entries()) {
    if (index > 0) await pause(delayMs, signal, clock);
    onDelta?.({ type: "text", text });
  }
  if (error !== undefined) throw thrownBy(error, model, answer);
  for (const { id, name } of answer.calls) onDelta?.({ type: "tool-call", id, name });
  return answer;
}

/** As a provider's package would throw it; half an answer is paid for. */
function thrownBy(error: ScriptedError, model: Stage["model"], half?: ModelAnswer): Error {
  if (error instanceof Error) return error;
  const { status, retryAfterMs, message = "scripted failure" } = typeof error === "number" ? { status: error } : error;
  const headers = retryAfterMs === undefined ? {} : { "retry-after-ms": String(retryAfterMs) };
  return modelFailure({ message, status, headers }, { model, ...(half && { usage: half.usage }) });
}

async function pause(delayMs: number, signal: AbortSignal, clock: Pick<Clock, "after">): Promise<void> {
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
