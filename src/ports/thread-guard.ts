import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import type { GuardRequest, LeaseGuard } from "./queue.ts";

export interface ThreadGuard {
  /** The package with which the thread reaches the store; its program knows where it is as `driver`. */
  readonly driver: string;
  /**
   * Text that runs in the thread once, with `driver`, the request's fields and those of `data` in scope. It defines `renew()`:
   * renews the lease and answers the instant of that, or 0 when it did not; a throw means the same, and the next tick tries again.
   */
  readonly program: string;
  /** What the program needs to know besides, by name. */
  readonly data: Readonly<Record<string, unknown>>;
  /** The thread must not be terminated: it is asked to end, and `close()` of the program lets go of what it has. */
  readonly endsByItself?: boolean;
}

/*
 * A step that computes for seconds blocks the event loop, and the heartbeat with it: the lease would run out, another process
 * would repeat the step, block just as long, and so on. So a thread with a connection of its own renews the lease, but only
 * while the event loop is late, and only for so long: a process that hangs for ever must lose its work.
 *
 * The program of the thread is text: it has to run from TypeScript sources and from the built package alike.
 */
const frameOf = (program: string, data: ThreadGuard["data"]): string => `
const { parentPort, workerData } = require("node:worker_threads");
const { driver, worker, epoch, leaseMs, everyMs, giveUpMs, shared } = workerData;
const { ${Object.keys(data).join(", ")} } = workerData.data;
const times = new Float64Array(shared);
${program}
let busy = false;
const renewing = setInterval(async () => {
  const late = Date.now() - times[0];
  if (busy || late < everyMs * 1.5 || late > giveUpMs) return;
  busy = true;
  try {
    const at = await renew();
    if (at > 0) times[1] = at;
  } catch {
    // The store is away, locked, or closing: the next tick tries again, and the lease runs out if none succeeds.
  } finally {
    busy = false;
  }
}, Math.max(10, everyMs / 2));
parentPort.once("message", () => {
  clearInterval(renewing);
  close();
  parentPort.close();
});
`;

/** Starts the thread. Nothing is opened, read or written there until the event loop is late for the first time. */
export function threadGuard(
  { driver: name, program, data, endsByItself = false }: ThreadGuard,
  { worker, epoch, leaseMs, everyMs, giveUpMs }: GuardRequest,
): LeaseGuard {
  const shared = new SharedArrayBuffer(2 * Float64Array.BYTES_PER_ELEMENT);
  const times = new Float64Array(shared); // when the event loop last renewed, when the guard did
  times[0] = Date.now();
  const driver = createRequire(import.meta.url).resolve(name);
  const workerData = { driver, worker, epoch, leaseMs, everyMs, giveUpMs, shared, data };
  const thread = new Worker(frameOf(program, data), { eval: true, workerData, execArgv: [] });
  thread.unref();
  const ended = new Promise((resolve) => thread.once("exit", resolve));
  thread.on("error", () => undefined); // without a guard a blocked worker loses its lease
  return {
    beaten: () => {
      times[0] = Date.now();
    },
    get renewedAt() {
      return times[1] ?? 0;
    },
    stop: async () => {
      if (!endsByItself) return void (await thread.terminate());
      thread.ref();
      thread.postMessage("stop");
      await ended;
    },
  };
}
