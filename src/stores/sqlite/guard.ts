import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import type { GuardRequest, LeaseGuard } from "../../ports/queue.ts";

/*
 * A step that computes for seconds blocks the event loop, and the heartbeat with it: the lease would run out, another process
 * would repeat the step, block just as long, and so on. So a thread with a connection of its own renews the lease, but only
 * while the event loop is late, and only for so long: a process that hangs for ever must lose its work.
 *
 * The program of the thread is text: it has to run from TypeScript sources and from the built package alike.
 */
const PROGRAM = `
const { workerData } = require("node:worker_threads");
const { driver, path, worker, epoch, leaseMs, everyMs, giveUpMs, shared } = workerData;
const times = new Float64Array(shared);
let statement;
setInterval(() => {
  const now = Date.now();
  const late = now - times[0];
  if (late < everyMs * 1.5 || late > giveUpMs) return;
  try {
    if (statement === undefined) {
      const Database = require(driver);
      const db = new Database(path);
      db.exec("PRAGMA busy_timeout = 1000; PRAGMA synchronous = NORMAL");
      statement = db.prepare("UPDATE workers SET lease_until = ? WHERE id = ? AND epoch = ?");
    }
    if (statement.run(now + leaseMs, worker, epoch).changes > 0) times[1] = now;
  } catch {
    // Busy, or the file is closing: the next tick tries again, and the lease runs out if none succeeds.
  }
}, Math.max(10, everyMs / 2));
`;

/** Starts the thread. Nothing is opened, read or written there until the event loop is late for the first time. */
export function guardLease(path: string, { worker, epoch, leaseMs, everyMs, giveUpMs }: GuardRequest): LeaseGuard {
  const shared = new SharedArrayBuffer(2 * Float64Array.BYTES_PER_ELEMENT);
  const times = new Float64Array(shared); // when the event loop last renewed, when the guard did
  times[0] = Date.now();
  const driver = createRequire(import.meta.url).resolve("libsql");
  const workerData = { driver, path, worker, epoch, leaseMs, everyMs, giveUpMs, shared };
  const thread = new Worker(PROGRAM, { eval: true, workerData, execArgv: [] });
  thread.unref();
  thread.on("error", () => undefined); // without a guard a blocked worker loses its lease, as it does on other stores
  return {
    beaten: () => {
      times[0] = Date.now();
    },
    get renewedAt() {
      return times[1] ?? 0;
    },
    stop: async () => {
      await thread.terminate();
    },
  };
}
