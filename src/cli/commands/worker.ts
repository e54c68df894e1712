import { titleOf } from "../../definition/definition.ts";
import type { Duration } from "../../domain/duration.ts";
import { loggingObserver } from "../../observe/logging.ts";
import { jsonLine, textLine } from "../../observe/log-line.ts";
import { withoutSecrets } from "../../runner/open-store.ts";
import { INTERRUPTED } from "../conduct.ts";
import { loadFlows } from "../flows.ts";
import { countOf } from "../numbers.ts";
import type { Shell } from "../shell.ts";
import { workerOptions } from "../worker-options.ts";

export interface WorkerCommandOptions {
  readonly concurrency?: string;
  readonly queue?: readonly string[];
  readonly drain?: string;
  readonly id?: string;
}

/** `flujo worker <file...>`: works on runs of these flows until it is told to stop, then hands its work back. */
export async function workerCommand(
  shell: Shell,
  files: readonly string[],
  { concurrency, queue, drain, id }: WorkerCommandOptions,
): Promise<number> {
  const stopped = shell.interrupts.graceful;
  const flows = await loadFlows(shell, files);
  const queues = queue?.flatMap((names) => names.split(",")).filter((name) => name !== "");
  const worker = await workerOptions(shell, {
    ...(concurrency !== undefined && { concurrency: countOf("--concurrency", concurrency) }),
    ...(queues && { queues }),
    ...(drain !== undefined && { drain: drain as Duration }), // checked with the worker's other options
    ...(id !== undefined && { id }),
  });
  const terminal = shell.io.stderr.isTTY;
  const flujo = await shell.work({
    flows,
    worker,
    observers: [
      loggingObserver({
        write: (line) => shell.io.stderr.write(line),
        level: shell.verbose ? "debug" : "info",
        format: terminal ? "text" : "json",
      }),
    ],
    logger: {
      log: (level, message, fields) => {
        if (shell.verbose || level === "warn" || level === "error")
          shell.io.stderr.write((terminal ? textLine : jsonLine)({ at: shell.io.now(), level, message, fields }));
      },
    },
  });
  const { uri } = await shell.store();
  const titles = flows.map(titleOf);
  shell.note(`working on ${titles.join(", ")} in ${withoutSecrets(uri)}; stop with Ctrl-C`);
  await until(stopped);
  shell.note("stopping: running steps may finish, then the rest is handed back (again Ctrl-C: at once)");
  await flujo.close();
  shell.result({ stopped: shell.interrupts.signal, flows: titles }, () => "");
  return shell.interrupts.signal === "SIGTERM" ? 0 : INTERRUPTED; // a service manager stops with SIGTERM, and that is success
}

/** The worker's own timers keep no process alive: waiting to be stopped is what does. */
async function until(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const alive = setInterval(() => undefined, 2 ** 30);
  await new Promise((resolve) => {
    signal.addEventListener("abort", resolve, { once: true });
  });
  clearInterval(alive);
}
