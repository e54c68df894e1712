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
export async function usageOf(
  history: (run: RunId) => Promise<readonly HistoryEvent[]>,
  run: RunId,
): Promise<UsageView> {
  return view(await spentIn(history, run));
}

async function spentIn(history: (run: RunId) => Promise<readonly HistoryEvent[]>, run: RunId): Promise<Spending> {
  let sum = NOTHING_SPENT;
  for (const event of await history(run)) {
    if (event.type === "quota.settled") sum = plus(sum, event.spent);
    if (event.type === "call.started" && event.wait !== "none")
      for (const child of event.runs) sum = plus(sum, await spentIn(history, child));
  }
  return sum;
}

const view = ({ costMicroUsd, inputTokens, outputTokens, requests, toolCalls }: Spending): UsageView => ({
  costUsd: costMicroUsd / 1_000_000,
  inputTokens,
  outputTokens,
  totalTokens: inputTokens + outputTokens,
  requests,
  toolCalls,
});
