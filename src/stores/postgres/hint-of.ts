import type { RunId } from "../../domain/ids.ts";
import type { CommitOutcome, CreateOutcome, Transition, WakeHint } from "../../ports/store.ts";

export const hintOfStarts = (outcomes: readonly CreateOutcome[]): WakeHint => ({
  ready: outcomes.some((outcome) => outcome.status === "created" && !outcome.leased),
  runs: [],
});

/** Whether a transition put anything into the queue, as far as it can tell by itself. */
const makesReady = ({ position, spawn, startRuns, cancelFork, cancelRuns }: Transition): boolean =>
  position.kind === "ready" ||
  (position.kind === "parked" && position.until !== undefined) ||
  spawn.some(({ leased, ended }) => !leased && ended === undefined) ||
  startRuns.length > 0 ||
  cancelFork !== undefined ||
  cancelRuns.length > 0;

export interface BatchNews {
  /** A message made a fiber ready. */
  readonly woke: boolean;
  /** There are queues with rules: whoever leaves a place may let somebody in. */
  readonly governed: boolean;
}

export function hintOfBatch(
  batch: readonly Transition[],
  outcomes: readonly CommitOutcome[],
  { woke, governed }: BatchNews,
): WakeHint {
  const runs = new Set<RunId>();
  let ready = woke;
  for (const [i, transition] of batch.entries()) {
    const outcome = outcomes[i];
    if (outcome?.status !== "committed") continue;
    const left = transition.position.kind !== "held";
    const leavesPlace = governed && (left || transition.scheduling !== undefined);
    ready ||= outcome.woken || outcome.queued !== undefined || makesReady(transition) || leavesPlace;
    if (left || transition.cancelFork !== undefined) runs.add(transition.run);
    for (const { run } of transition.cancelRuns) runs.add(run);
  }
  return { ready, runs: [...runs] };
}
