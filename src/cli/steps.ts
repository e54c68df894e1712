import type { HistoryEvent } from "../domain/event.ts";
import { durationText, tableText } from "./text.ts";

/** What a run spent on one step, over all its items and iterations. */
export interface StepSummary {
  readonly path: string;
  /** Items and iterations that reached it. */
  readonly visits: number;
  readonly attempts: number;
  readonly failed: number;
  /** Time inside its attempts, in milliseconds. */
  readonly durationMs: number;
}

/** Sums up the steps of a history, in the order in which they were first finished. */
export function summariseSteps(history: readonly HistoryEvent[]): readonly StepSummary[] {
  const steps = new Map<string, { visits: Set<string>; attempts: number; failed: number; durationMs: number }>();
  for (const event of history) {
    if (event.type !== "step.completed" && event.type !== "step.failed") continue;
    const step = steps.get(event.path) ?? { visits: new Set<string>(), attempts: 0, failed: 0, durationMs: 0 };
    steps.set(event.path, step);
    step.visits.add(event.visit);
    step.attempts += 1;
    if (event.type === "step.failed") step.failed += 1;
    step.durationMs += Math.max(0, event.at - event.startedAt);
  }
  return [...steps].map(([path, { visits, ...rest }]) => ({ path, visits: visits.size, ...rest }));
}

export function stepTable(steps: readonly StepSummary[]): string {
  const rows = steps.map(({ path, visits, attempts, durationMs }) => [
    visits > 1 ? `${path} ×${visits}` : path,
    String(attempts),
    durationText(durationMs),
  ]);
  return tableText([["step", "attempts", "time"], ...rows], [1, 2]);
}
