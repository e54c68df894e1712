import { parseJson } from "../json-text.ts";
import { maybeFlows } from "../flows.ts";
import { resolveRun } from "../run-ids.ts";
import type { Shell } from "../shell.ts";

export interface SignalCommandOptions {
  readonly id?: string;
  readonly file?: string;
}

/** `flujo signal <run> <name> [json]`: a message to a run, kept until it is wanted. */
export async function signalCommand(
  shell: Shell,
  [run, name, json]: readonly [run: string, name: string, json: string | undefined],
  { id, file }: SignalCommandOptions,
): Promise<number> {
  const data = json === undefined ? undefined : parseJson(await textOf(shell, json), "the data", "SIGNAL_INVALID");
  const flujo = await shell.look(await maybeFlows(shell, file));
  const runId = await resolveRun(shell, flujo, run);
  const outcome = await flujo.signal(runId, name, data, { ...(id !== undefined && { id }) });
  shell.result({ runId, signal: name, outcome }, () => `${outcome}: signal ${name} to run ${runId}`);
  return 0;
}

const textOf = (shell: Shell, json: string): Promise<string> =>
  json === "-" ? shell.slowly("reading stdin", shell.io.stdin.read()) : Promise.resolve(json);
