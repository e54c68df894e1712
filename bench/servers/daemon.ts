import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const READY_WITHIN_MS = 20_000;
const STOP_WITHIN_MS = 30_000;

export interface DaemonSpec {
  readonly command: string;
  readonly arguments: readonly string[];
  /** The user it runs as; ours when absent. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** Its own, deleted once it has stopped. Its output goes to `log` in it. */
  readonly directory: string;
  readonly stopSignal: NodeJS.Signals;
  /** Rejects until the server answers. */
  readonly probe: () => Promise<void>;
}

/** Starts a server as a child process and waits until it answers. Resolves with a function that stops it. */
export async function startDaemon(spec: DaemonSpec): Promise<() => Promise<void>> {
  const log = join(spec.directory, "log");
  const child = spawn(spec.command, spec.arguments, { stdio: ["ignore", "pipe", "pipe"], ...spec.user });
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => appendFileSync(log, chunk));
  // A bench that is broken off must not leave servers behind; SIGKILL of the bench itself is out of reach.
  const abandon = () => {
    child.kill(spec.stopSignal);
    remove(spec);
  };
  process.once("exit", abandon);
  const stop = async () => {
    process.off("exit", abandon);
    await ended(child, spec.stopSignal);
    remove(spec);
  };
  try {
    await ready(child, spec);
  } catch (error) {
    const said = existsSync(log) ? readFileSync(log, "utf8").trimEnd().split("\n").slice(-3).join("; ") : "nothing";
    await stop();
    throw new Error(`${spec.command} did not come up; it said: ${said}`, { cause: error });
  }
  return stop;
}

const remove = ({ directory }: DaemonSpec) => rmSync(directory, { recursive: true, force: true, maxRetries: 10 });

async function ready(child: ChildProcess, { probe }: DaemonSpec): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS;
  const failure = once(child, "error").then(([error]: unknown[]) => Promise.reject(error));
  failure.catch(() => {});
  for (;;) {
    try {
      return await Promise.race([probe(), failure]);
    } catch (error) {
      if (child.exitCode !== null || performance.now() > deadline || child.pid === undefined) throw error;
      await sleep(50);
    }
  }
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = once(child, "close"); // not "exit": what it says last is still to be written
  child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_WITHIN_MS);
  await gone;
  clearTimeout(timer);
}
