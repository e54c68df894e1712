import { existsSync } from "node:fs";
import { titleOf, type Definition } from "../../definition/definition.ts";
import { FlujoError } from "../../domain/errors.ts";
import { readExport, type RunExport } from "../../runner/export.ts";
import { replayExport, type ReplayResult } from "../../runner/replay.ts";
import { chooseFlow, loadFlows } from "../flows.ts";
import { replayTest } from "../replay-test.ts";
import { failureJson } from "../report.ts";
import { resolveRun } from "../run-ids.ts";
import type { Shell } from "../shell.ts";
import { valueJson } from "../text.ts";

export interface ReplayCommandOptions {
  /** The file that exports the flow. */
  readonly flow: string;
  readonly asTest?: string;
}

/** `flujo replay <run|file>`: a recorded run once more, offline; 0 when the flow decides as it did then, 1 when it does not. */
export async function replayCommand(shell: Shell, trace: string, options: ReplayCommandOptions): Promise<number> {
  const file = shell.file(trace);
  const isFile = existsSync(file);
  if (options.asTest !== undefined && !isFile) {
    const how = `flujo export ${trace} --out run.json`;
    throw new FlujoError("OPTION_INVALID", `--as-test: expected a file that stays beside the test, from: ${how}`);
  }
  const exported = isFile ? await readExport(file) : await exportOf(shell, trace);
  const flow = flowOf(await loadFlows(shell, [options.flow]), exported);
  const replayed = await replayExport(flow, exported);
  if (options.asTest !== undefined) {
    const written = await replayTest(shell, { flow, file, module: options.flow, replayed, out: options.asTest });
    shell.note(`wrote ${written}`);
  }
  shell.result(replayJson(shell, replayed), () => replayText(replayed));
  return replayed.identical ? 0 : 1;
}

async function exportOf(shell: Shell, run: string): Promise<RunExport> {
  const flujo = await shell.look();
  return flujo.export(await resolveRun(shell, flujo, run));
}

/** The very flow, or the one that bears its name now. */
function flowOf(flows: readonly Definition[], { run }: RunExport): Definition {
  const same = flows.find(({ fingerprint }) => fingerprint === run.fingerprint);
  const title = titleOf({ name: run.flow, version: run.version });
  return same ?? chooseFlow(flows, flows.some((one) => titleOf(one) === title) ? title : run.flow);
}

const replayJson = (shell: Shell, { failure, output, steps, ...rest }: ReplayResult): unknown => ({
  ...rest,
  ...(output !== undefined && { output: valueJson(output) }),
  ...(failure && { failure: failureJson(failure, shell.verbose) }),
  steps: steps.map((step) => ({ ...step, output: valueJson(step.output) })),
});

function replayText({ runId, status, steps, identical, differences }: ReplayResult): string {
  const came = `run ${runId} replayed: ${status}, ${steps.length} steps`;
  return identical ? `${came}, as it was recorded` : [`${came}, not as it was recorded`, ...differences].join("\n");
}
