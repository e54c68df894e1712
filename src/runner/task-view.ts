import type { HistoryEvent } from "../domain/event.ts";
import type { Failure } from "../domain/failure.ts";
import { ROOT_FIBER } from "../domain/ids.ts";
import { decode, NO_CONTEXT, type Wire } from "../domain/wire.ts";

/** One attempt of a step, as it was recorded. */
export interface StepView {
  readonly path: string;
  readonly visit: string;
  readonly attempt: number;
  readonly status: "completed" | "failed";
  readonly output?: unknown;
  readonly error?: Failure;
  readonly startedAt: Date;
  readonly endedAt: Date;
}

/** Steps in the order in which they ended. */
export function stepsOf(history: readonly HistoryEvent[]): readonly StepView[] {
  return history.flatMap((event): readonly StepView[] => {
    if (event.type !== "step.completed" && event.type !== "step.failed") return [];
    const { path, visit, attempt } = event;
    const times = { startedAt: new Date(event.startedAt), endedAt: new Date(event.at) };
    return event.type === "step.completed"
      ? [{ path, visit, attempt, status: "completed", output: decode(event.output), ...times }]
      : [{ path, visit, attempt, status: "failed", error: event.failure, ...times }];
  });
}

/** The context of a run after the last of its recorded facts that changed it; its branches have their own until they are joined. */
export function contextIn(history: readonly HistoryEvent[]): Wire {
  const told = history.findLast(
    (event) =>
      event.fiber === ROOT_FIBER &&
      (event.type === "run.started" || event.type === "step.completed" || event.type === "fork.joined") &&
      event.context !== undefined,
  );
  return told !== undefined && "context" in told && told.context !== undefined ? told.context : NO_CONTEXT;
}

/** What a described flow says of the answer to the question at a path; undefined where it says nothing that JSON Schema can say. */
export function answerSchema(described: Wire | undefined, path: string): Wire | undefined {
  if (typeof described !== "object" || described === null) return undefined;
  if (!Array.isArray(described)) {
    const { path: here, kind, answer } = described as { readonly [key: string]: Wire };
    if (here === path && kind === "wait") return typeof answer === "object" ? answer : undefined;
  }
  for (const inner of Object.values(described) as readonly Wire[]) {
    const found = answerSchema(inner, path);
    if (found !== undefined) return found;
  }
  return undefined;
}
