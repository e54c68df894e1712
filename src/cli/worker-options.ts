import type { Definition } from "../definition/definition.ts";
import type { WorkerOptions } from "../worker/options.ts";
import type { Shell } from "./shell.ts";

/** How a worker of the command line works: what flujo.toml says, and what the command overrides. */
export async function workerOptions(shell: Shell, overrides: WorkerOptions): Promise<WorkerOptions> {
  const { worker } = await shell.config();
  return { ...worker, ...overrides };
}

/** A run that is started here must also be finished here: its worker serves every queue that its flows name. */
export async function ownWorker(shell: Shell, flows: readonly Definition[], queue = "default"): Promise<WorkerOptions> {
  const { worker } = await shell.config();
  return { ...worker, queues: [...new Set(["default", queue, ...(worker.queues ?? []), ...flows.flatMap(queuesOf)])] };
}

function queuesOf(flow: Definition): string[] {
  const own = [...flow.nodes.values()].flatMap((node) =>
    node.kind === "step" && node.config.queue !== undefined ? [node.config.queue] : [],
  );
  return [...own, ...flow.calls.flatMap(queuesOf)];
}
