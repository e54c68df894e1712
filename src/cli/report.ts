import type { Failure } from "../domain/failure.ts";
import { titleOf } from "../definition/definition.ts";
import type { RunResult } from "../runner/result.ts";
import type { Conduct } from "./conduct.ts";
import { failureText } from "./problem.ts";
import type { Shell } from "./shell.ts";
import { type StepSummary, stepTable, summariseSteps } from "./steps.ts";
import { durationText, shellWord, valueJson, valueText } from "./text.ts";

/** Prints what a run came to: its output on stdout, the rest on stderr; with `--json` one object on stdout. */
export async function report(shell: Shell, what: Conduct, result: RunResult): Promise<number> {
  const { flujo, runId, progress } = what;
  const details = await flujo.get(runId);
  const steps = summariseSteps(await shell.slowly("reading the history", flujo.history(runId)));
  const durationMs = (details.endedAt?.getTime() ?? shell.io.now()) - details.createdAt.getTime();
  await flujo.close(); // what observers have yet to be told belongs above the result
  progress.pause();
  if (shell.json) {
    const { flow, version } = details;
    shell.result({ runId, flow, version, ...resultJson(result, shell.verbose), durationMs, steps }, () => "");
  } else {
    printSteps(shell, steps);
    const title = titleOf({ name: details.flow, version: details.version });
    shell.note(headline(shell, what, result, `run ${runId} of ${title} (${durationText(durationMs)})`));
    if (result.status === "completed") shell.result(undefined, () => valueText(result.output));
  }
  return result.status === "failed" || result.status === "cancelled" ? 1 : 0;
}

function printSteps(shell: Shell, steps: readonly StepSummary[]): void {
  if (steps.length > 0) shell.note(`\n${stepTable(steps)}\n`);
}

function headline(shell: Shell, what: Conduct, result: RunResult, run: string): string {
  const { green, red, yellow } = shell.noteColors;
  switch (result.status) {
    case "completed":
      return `${green("completed")} ${run}`;
    case "failed":
      return [
        `${red("failed")} ${run}`,
        failureText(result.failure, shell.noteColors, shell.verbose),
        `  then: flujo retry ${what.runId} --file ${shellWord(what.file)}`,
      ].join("\n");
    case "cancelled":
      return `${yellow("cancelled")} ${run}: ${result.reason}`;
    case "paused":
      return [`${yellow("paused")} ${run}`, ...result.pauses.map((pause) => howToAnswer(what, result, pause))].join(
        "\n",
      );
    case "waiting":
      return [
        `${yellow("waiting")} ${run}`,
        ...result.signals.map((name) => `  signal it with: flujo signal ${what.runId} ${shellWord(name)} '<json>'`),
      ].join("\n");
    case "running":
      return `${run} is running`;
  }
}

function howToAnswer(
  { runId, file }: Conduct,
  { pauses }: Extract<RunResult, { status: "paused" }>,
  pause: (typeof pauses)[number],
): string {
  const token = pauses.length > 1 ? ` --token ${pause.token}` : "";
  return [
    `  ${pause.path} asks: ${valueText(pause.question)}`,
    `  answer it with: flujo answer ${runId} '<json>'${token} --file ${shellWord(file)}`,
    `  then go on with: flujo worker ${shellWord(file)}`,
  ].join("\n");
}

export function resultJson(result: RunResult, verbose: boolean): Readonly<Record<string, unknown>> {
  switch (result.status) {
    case "completed":
      return { status: result.status, output: valueJson(result.output) };
    case "failed":
      return { status: result.status, failure: failureJson(result.failure, verbose) };
    case "cancelled":
      return { status: result.status, reason: result.reason };
    case "paused":
      return {
        status: result.status,
        pauses: result.pauses.map((pause) => ({ ...pause, question: valueJson(pause.question) })),
      };
    case "waiting":
      return { status: result.status, signals: result.signals };
    case "running":
      return { status: result.status };
  }
}

/** Stacks are for those who ask. */
export function failureJson({ stack, cause, ...failure }: Failure, verbose: boolean): unknown {
  return {
    ...failure,
    ...(verbose && stack !== undefined && { stack }),
    ...(cause && { cause: failureJson(cause, verbose) }),
  };
}
