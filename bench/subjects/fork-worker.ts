// Workers in processes of their own, for the measurements that need several.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Place } from "../flujo-place.ts";

const WORKER = join(import.meta.dirname, "worker.ts");

/** What a worker process tells. */
export type FromWorker =
  | { readonly kind: "warm" }
  | { readonly kind: "serving" }
  | { readonly kind: "ended"; readonly runs: number };

export interface WorkerProcesses extends AsyncDisposable {
  /** They take runs from now on. */
  serve(): Promise<void>;
}

export interface WorkerProcessOptions {
  readonly count: number;
  readonly concurrency: number;
  /** Called with how many runs have ended in one of them since it was called last. */
  readonly onEnded?: (runs: number) => void;
}

/** Starts worker processes on `place` and resolves when they are warm. They take no runs before `serve`. */
export async function forkWorkers(
  place: Place,
  { count, concurrency, onEnded }: WorkerProcessOptions,
): Promise<WorkerProcesses> {
  const options = ["--place", JSON.stringify(place), "--concurrency", `${concurrency}`];
  const children = Array.from({ length: count }, () => fork(WORKER, options));
  for (const child of children) {
    child.on("message", (message: FromWorker) => {
      if (message.kind === "ended") onEnded?.(message.runs);
    });
  }
  const dispose = async () => void (await Promise.all(children.map(dismiss)));
  try {
    await Promise.all(children.map((child) => told(child, "warm")));
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    serve: async () => {
      const serving = children.map((child) => told(child, "serving"));
      for (const child of children) child.send("serve");
      await Promise.all(serving);
    },
    [Symbol.asyncDispose]: dispose,
  };
}

async function dismiss(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  if (child.connected) child.disconnect();
  await gone;
}

function told(child: ChildProcess, kind: FromWorker["kind"]): Promise<void> {
  return new Promise((resolve, reject) => {
    const died = (code: number | null) => reject(new Error(`a worker process ended with ${code}`));
    child.on("exit", died);
    child.on("message", function listen(message: FromWorker) {
      if (message.kind !== kind) return;
      child.off("message", listen);
      child.off("exit", died);
      resolve();
    });
  });
}
