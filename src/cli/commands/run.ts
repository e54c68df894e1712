import { conduct } from "../conduct.ts";
import { chooseFlow, loadFlows } from "../flows.ts";
import { parseJson } from "../json-text.ts";
import type { StartOptions } from "../../runner/options.ts";
import { numberOf } from "../numbers.ts";
import { Progress } from "../progress.ts";
import type { Shell } from "../shell.ts";
import { ownWorker } from "../worker-options.ts";

export interface RunCommandOptions {
  readonly flow?: string;
  readonly input?: string;
  readonly context?: string;
  readonly id?: string;
  readonly queue?: string;
  readonly key?: string;
  readonly priority?: string;
  readonly yes?: boolean;
  readonly answer?: readonly string[];
}

/** `flujo run <file>`: starts a run of a flow, works on it here and shows it until it has ended or waits for somebody. */
export async function runCommand(shell: Shell, file: string, options: RunCommandOptions): Promise<number> {
  const input = await inputOf(shell, options.input);
  const context =
    options.context === undefined ? undefined : parseJson(options.context, "--context", "CONTEXT_INVALID");
  const answers = (options.answer ?? []).map((text) => parseJson(text, "--answer", "ANSWER_INVALID"));
  const flows = await loadFlows(shell, [file]);
  const flow = chooseFlow(flows, options.flow);
  const progress = new Progress(shell, flow);
  const flujo = await shell.work({
    flows,
    worker: await ownWorker(shell, flows, options.queue),
    observers: [progress],
    logger: progress.logger,
  });
  const { runId } = await flujo.start(flow as typeof flow | string, input, {
    ...placeOf(options),
    ...(options.id !== undefined && { id: options.id }),
    ...(context !== undefined && { context }),
  });
  return conduct(shell, { flujo, runId, flows, file, progress, answers, yes: options.yes === true });
}

function placeOf({ queue, key, priority }: RunCommandOptions): Pick<StartOptions, "queue" | "key" | "priority"> {
  return {
    ...(queue !== undefined && { queue }),
    ...(key !== undefined && { key }),
    ...(priority !== undefined && { priority: numberOf("--priority", priority) }),
  };
}

/** `-` reads stdin; nothing is no input. Throws INPUT_INVALID. */
async function inputOf(shell: Shell, text: string | undefined): Promise<unknown> {
  if (text === undefined) return undefined;
  if (text !== "-") return parseJson(text, "--input", "INPUT_INVALID");
  return parseJson(await shell.slowly("reading the input from stdin", shell.io.stdin.read()), "stdin", "INPUT_INVALID");
}
