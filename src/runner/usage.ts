import { FlujoError } from "../domain/errors.ts";
import { NOTHING_SPENT, plus, type Spending } from "../domain/quota.ts";
import type { HistoryEvent } from "../domain/event.ts";
import type { RunId } from "../domain/ids.ts";

/** What a run has spent, failed calls, repairs and judges included. */
export interface UsageView {
  readonly costUsd: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly totalTokens: number;
  readonly requests: number;
  readonly toolCalls: number;
}

/** The sum of what was settled, in the run and in the child runs that it waited for: those that it started and left are on their own. */
export async function usageOf(history: History, run: RunId): Promise<UsageView> {
  return view(await spentIn(history, run));
}

type History = (run: RunId) => Promise<readonly HistoryEvent[]>;

async function spentIn(history: History, run: RunId): Promise<Spending> {
  const events = await history(run);
  let sum = NOTHING_SPENT;
  for (const event of events) {
    if (event.type === "quota.settled") sum = plus(sum, event.spent);
    if (event.type === "call.started" && event.wait !== "none")
      for (const [ordinal, child] of event.runs.entries())
        sum = plus(sum, await spentInChild(history, child, toldOf(events, event, ordinal)));
  }
  return sum;
}

/** A child run that was pruned before its parent has left with it what it told at its end. */
async function spentInChild(history: History, child: RunId, told: Spending): Promise<Spending> {
  try {
    return await spentIn(history, child);
  } catch (error) {
    if (error instanceof FlujoError && error.code === "RUN_UNKNOWN") return told;
    throw error;
  }
}

function toldOf(
  events: readonly HistoryEvent[],
  { fiber, call }: Extract<HistoryEvent, { type: "call.started" }>,
  ordinal: number,
): Spending {
  const end = events.find(
    (one) => one.type === "call.child_ended" && one.fiber === fiber && one.call === call && one.ordinal === ordinal,
  );
  return end?.type === "call.child_ended" ? (end.quota?.spent ?? NOTHING_SPENT) : NOTHING_SPENT;
}

const view = ({ costMicroUsd, inputTokens, outputTokens, requests, toolCalls }: Spending): UsageView => ({
  costUsd: costMicroUsd / 1_000_000,
  inputTokens,
  outputTokens,
  totalTokens: inputTokens + outputTokens,
  requests,
  toolCalls,
});
