import { titleOf } from "../../definition/definition.ts";
import { FlujoError } from "../../domain/errors.ts";
import { conduct } from "../conduct.ts";
import { loadFlows } from "../flows.ts";
import { parseJson } from "../json-text.ts";
import { Progress } from "../progress.ts";
import { resolveRun } from "../run-ids.ts";
import type { Shell } from "../shell.ts";
import { ownWorker } from "../worker-options.ts";

export interface ForkCommandOptions {
  readonly file: string;
  readonly at?: string;
  readonly input?: string;
  readonly id?: string;
}

/** `flujo retry <run>`: puts a failed or cancelled run back to work, and follows it. */
export async function retryCommand(shell: Shell, run: string, { file }: { readonly file: string }): Promise<number> {
  const { flujo, flows, progress, runId } = await open(shell, run, file);
  await flujo.retry(runId);
  return conduct(shell, { flujo, flows, file, progress, runId });
}

/** `flujo fork <run>`: a new run that begins where an old one was, and follows it. */
export async function forkCommand(shell: Shell, run: string, options: ForkCommandOptions): Promise<number> {
  const { file, at, input, id } = options;
  if (at !== undefined && !/^\d{1,15}$/.test(at))
    throw new FlujoError("OPTION_INVALID", `--at: expected a sequence number of \`flujo history\` but found "${at}"`);
  const given = input === undefined ? {} : { input: parseJson(input, "--input", "INPUT_INVALID") };
  const { flujo, flows, progress, runId } = await open(shell, run, file);
  const forked = await flujo.fork(runId, {
    ...given,
    ...(at !== undefined && { at: Number(at) }),
    ...(id !== undefined && { id }),
  });
  shell.note(`run ${forked.runId} forks ${runId}`);
  return conduct(shell, { flujo, flows, file, progress, runId: forked.runId });
}

async function open(
  shell: Shell,
  run: string,
  file: string,
): Promise<Pick<Parameters<typeof conduct>[1], "flujo" | "flows" | "progress" | "runId">> {
  const flows = await loadFlows(shell, [file]);
  const looking = await shell.look();
  const runId = await resolveRun(shell, looking, run);
  const { flow: name, version, fingerprint } = await looking.get(runId);
  const flow = flows.find((one) => one.fingerprint === fingerprint);
  if (flow === undefined) {
    const has = flows.map((one) => `${titleOf(one)} (${one.fingerprint.slice(0, 12)})`).join(", ");
    throw new FlujoError(
      "FLOW_UNKNOWN",
      `run ${runId} is pinned to ${titleOf({ name, version })} (${fingerprint.slice(0, 12)}); ${file} has ${has}`,
    );
  }
  const progress = new Progress(shell, flow);
  const flujo = await shell.work({
    flows,
    worker: await ownWorker(shell, flows),
    observers: [progress],
    logger: progress.logger,
  });
  return { flujo, flows, progress, runId };
}
