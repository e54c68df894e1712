import type { BackgroundTask, RetriedTask } from "../../runner/background.ts";
import type { Flujo } from "../../runner/flujo.ts";
import type { RunResult } from "../../runner/result.ts";
import { loadFlows } from "../flows.ts";
import { parseJson } from "../json-text.ts";
import { countOf, numberOf } from "../numbers.ts";
import { failureJson } from "../report.ts";
import { resolveRun } from "../run-ids.ts";
import type { Shell } from "../shell.ts";
import { oneLine, tableText } from "../text.ts";
import { ownWorker } from "../worker-options.ts";

const ERROR_WIDTH = 60;

export interface BackgroundListOptions {
  readonly parent?: string;
  readonly hours?: string;
}

/** `flujo background`: tasks in the background that failed. */
export async function backgroundListCommand(shell: Shell, { parent, hours }: BackgroundListOptions): Promise<number> {
  const flujo = await shell.look();
  const looking = flujo.failedBackgroundTasks({
    ...(parent !== undefined && { parentRunId: await resolveRun(shell, flujo, parent) }),
    ...(hours !== undefined && { hoursBack: numberOf("--hours", hours) }),
  });
  const tasks = await shell.slowly("looking for failed tasks", looking);
  shell.result({ items: tasks.map((task) => taskJson(shell, task)) }, () =>
    tasks.length === 0 ? "no failed tasks" : taskTable(shell, tasks),
  );
  return 0;
}

export interface BackgroundResumeOptions {
  readonly file: string;
  readonly input?: string;
}

/** `flujo background resume <task>`: puts a failed task back to work here, with another input if one is given, and waits for it. */
export async function backgroundResumeCommand(
  shell: Shell,
  task: string,
  { file, input }: BackgroundResumeOptions,
): Promise<number> {
  const given = input === undefined ? {} : { input: parseJson(input, "--input", "INPUT_INVALID") };
  const flujo = await working(shell, file);
  const handle = await flujo.resumeBackgroundTask(await resolveRun(shell, flujo, task), given);
  return tell(shell, [await handle.result()]);
}

/** `flujo background retry <parent>`: puts all failed tasks of a run back to work here, and waits for them. */
export async function backgroundRetryCommand(
  shell: Shell,
  parent: string,
  { file, maxRetries }: { readonly file: string; readonly maxRetries?: string },
): Promise<number> {
  const options = maxRetries === undefined ? {} : { maxRetries: countOf("--max-retries", maxRetries) };
  const flujo = await working(shell, file);
  const outcomes = await flujo.retryFailedBackgroundTasks(await resolveRun(shell, flujo, parent), options);
  for (const one of outcomes) if (one.outcome !== "retried") shell.note(notRetried(one));
  const retried = outcomes.filter(({ outcome }) => outcome === "retried");
  const code = tell(shell, await Promise.all(retried.map(({ task }) => flujo.result(task.taskId))));
  return retried.length === outcomes.length ? code : 1;
}

/** `flujo background clean`: cancels tasks that have not ended for long. */
export async function backgroundCleanCommand(shell: Shell, { hours }: { readonly hours?: string }): Promise<number> {
  const flujo = await shell.look();
  const cleaning = flujo.cleanupStaleBackgroundTasks(hours === undefined ? {} : { hours: numberOf("--hours", hours) });
  const ids = await shell.slowly("looking for stale tasks", cleaning);
  shell.result({ cancelled: ids }, () => (ids.length === 0 ? "no stale tasks" : `asked to stop:\n${ids.join("\n")}`));
  return 0;
}

async function working(shell: Shell, file: string): Promise<Flujo> {
  const flows = await loadFlows(shell, [file]);
  return shell.work({ flows, worker: await ownWorker(shell, flows) });
}

function notRetried(one: Exclude<RetriedTask, { outcome: "retried" }>): string {
  const why = one.outcome === "refused" ? one.error.message : "it has been retried as often as was allowed";
  return `task ${one.task.taskId} was not retried: ${why}`;
}

function tell(shell: Shell, results: readonly RunResult[]): number {
  const items = results.map(({ runId, status }) => ({ taskId: runId, status }));
  shell.result({ items }, () =>
    items.length === 0
      ? "no task to retry"
      : tableText([["task", "status"], ...items.map(({ taskId, status }) => [taskId, status])]),
  );
  return results.some(({ status }) => status === "failed" || status === "cancelled") ? 1 : 0;
}

const taskJson = ({ verbose }: Shell, { error, ...task }: BackgroundTask): unknown => ({
  ...task,
  error: failureJson(error, verbose),
});

function taskTable({ verbose }: Shell, tasks: readonly BackgroundTask[]): string {
  const rows = tasks.map(({ taskId, parentRunId, stepName, category, error, updatedAt }) => [
    taskId,
    parentRunId,
    stepName,
    category,
    updatedAt.toISOString().slice(0, 19).replace("T", " "),
    oneLine(error.message, verbose ? Number.POSITIVE_INFINITY : ERROR_WIDTH),
  ]);
  return tableText([["task", "parent", "step", "category", "failed (UTC)", "error"], ...rows]);
}
