import { maybeFlows } from "../flows.ts";
import { resolveRun } from "../run-ids.ts";
import type { Shell } from "../shell.ts";

/** `flujo why <run> [file]`: why a run is where it is; with the file also whether its flow still fits. */
export async function whyCommand(shell: Shell, run: string, file: string | undefined): Promise<number> {
  const flujo = await shell.look(await maybeFlows(shell, file));
  const why = await flujo.why(await resolveRun(shell, flujo, run));
  shell.result(why, () =>
    [`run ${why.runId} is ${why.status}`, ...why.reasons.map((reason) => `- ${reason}`)].join("\n"),
  );
  return 0;
}
