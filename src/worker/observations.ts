import type { Resident } from "../engine/resident.ts";
import type { Advance } from "../engine/transitions.ts";
import type { Observation } from "../ports/observer.ts";

/** What observers are told of a committed transition: only what is recorded has happened. */
export function* observations({ run, definition }: Resident, { facts, transition }: Advance): Generator<Observation> {
  const { event, endRun, wait } = transition;
  const flow = definition.name;
  const at = event?.at ?? 0;
  for (const fact of facts) {
    if (fact.type === "step.completed" || fact.type === "undo.completed") {
      const { path, visit, attempt, startedAt } = fact;
      const kept = fact.type === "step.completed" && fact.cacheHit && { cacheHit: true as const };
      yield { kind: "step.completed", at, run, flow, path, visit, attempt, durationMs: at - startedAt, ...kept };
    } else if (fact.type === "step.failed" || fact.type === "undo.failed") {
      const { path, visit, attempt, startedAt, failure, retryAt } = fact;
      const again = retryAt !== undefined && { retryAt };
      yield { kind: "step.failed", at, run, flow, path, visit, attempt, durationMs: at - startedAt, failure, ...again };
    }
  }
  if (endRun !== undefined) {
    const { status, failure, at: endedAt } = endRun;
    yield { kind: "run.ended", at: endedAt, run, flow, status, ...(failure && { failure }) };
  } else if (wait !== undefined && event !== undefined) {
    const { path, visit, kind } = wait;
    yield { kind: "fiber.parked", at, run, flow, path, visit, wait: kind };
  }
}
