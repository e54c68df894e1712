import { resolveRun } from "../run-ids.ts";
import type { Shell } from "../shell.ts";

/** `flujo cancel <run>`: asks a run to stop; its compensations run first. */
export async function cancelCommand(
  shell: Shell,
  run: string,
  { reason }: { readonly reason?: string },
): Promise<number> {
  const flujo = await shell.look();
  const runId = await resolveRun(shell, flujo, run);
  const outcome = await flujo.cancel(runId, reason ?? "cancelled from the command line");
  shell.result({ runId, outcome }, () =>
    outcome === "ended" ? `run ${runId} has ended already` : `cancellation of run ${runId} requested`,
  );
  return 0;
}
