import type { UsageView } from "../../runner/usage.ts";
import { resolveRun } from "../run-ids.ts";
import type { Shell } from "../shell.ts";
import { tableText } from "../text.ts";

/** `flujo usage <run>`: what a run has spent, with the child runs that it waited for. */
export async function usageCommand(shell: Shell, run: string): Promise<number> {
  const flujo = await shell.look();
  const runId = await resolveRun(shell, flujo, run);
  const usage = await shell.slowly("adding up", flujo.usage(runId));
  shell.result({ runId, ...usage }, () => usageText(usage));
  return 0;
}

const usageText = ({ costUsd, inputTokens, outputTokens, totalTokens, requests, toolCalls }: UsageView): string =>
  tableText(
    [
      ["cost", `$${costUsd.toFixed(6)}`],
      ["input tokens", String(inputTokens)],
      ["output tokens", String(outputTokens)],
      ["tokens", String(totalTokens)],
      ["model calls", String(requests)],
      ["tool calls", String(toolCalls)],
    ],
    [1],
  );
