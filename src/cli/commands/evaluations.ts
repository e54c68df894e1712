import type { Evaluation } from "../../evaluation/evaluations.ts";
import { countOf } from "../numbers.ts";
import { resolveRun } from "../run-ids.ts";
import type { Shell } from "../shell.ts";
import { oneLine, shellWord, tableText } from "../text.ts";

export interface EvaluationsOptions {
  readonly run?: string;
  readonly limit?: string;
  readonly cursor?: string;
}

const FEEDBACK_WIDTH = 60;

/** `flujo evaluations`: what judges have said. */
export async function evaluationsCommand(shell: Shell, { run, limit, cursor }: EvaluationsOptions): Promise<number> {
  const flujo = await shell.look();
  const looking = flujo.evaluations({
    ...(run !== undefined && { runId: await resolveRun(shell, flujo, run) }),
    ...(limit !== undefined && { limit: countOf("--limit", limit) }),
    ...(cursor !== undefined && { cursor }),
  });
  const { items, next } = await shell.slowly("listing evaluations", looking);
  shell.result({ items, ...(next !== undefined && { next }) }, () =>
    items.length === 0 ? "no evaluations" : evaluationTable(shell, items),
  );
  if (next !== undefined && !shell.json) shell.note(`more: flujo evaluations --cursor ${shellWord(next)}`);
  return 0;
}

function evaluationTable({ verbose }: Shell, items: readonly Evaluation[]): string {
  const rows = items.map(({ runId, step, score, feedback, createdAt }) => [
    runId,
    step,
    score.toFixed(2),
    createdAt.toISOString().slice(0, 19).replace("T", " "),
    oneLine(feedback, verbose ? Number.POSITIVE_INFINITY : FEEDBACK_WIDTH),
  ]);
  return tableText([["run", "step", "score", "judged (UTC)", "feedback"], ...rows]);
}
