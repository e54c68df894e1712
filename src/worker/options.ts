import { type Duration, durationMs } from "../domain/duration.ts";
import { FlujoError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";

/** How a worker works. Every field has a default that suits a service on one machine. */
export interface WorkerOptions {
  /** Fibers advanced at once. Default 100. */
  readonly concurrency?: number;
  /** Fibers taken per claim at most. Default: as many as there are free slots. */
  readonly batchSize?: number;
  /** How often to look for work that no hint announced. Default 1 s. */
  readonly pollInterval?: Duration;
  /** Queues to serve. Default `["default"]`. */
  readonly queues?: readonly string[];
  /** How long `stop` waits for running steps before it aborts them. Default 10 s. */
  readonly drain?: Duration;
  /** How long others wait before they take over what this worker holds. Default 3 s. */
  readonly lease?: Duration;
  /** How often the lease is renewed. Default 1 s; at most half of `lease`. */
  readonly heartbeat?: Duration;
  /** How often expired leases of others are looked for. Default 0.5 s. */
  readonly sweep?: Duration;
  /** Adoptions of one step without progress before its run fails as WORKER_LOST. Default 10. */
  readonly maxDeliveries?: number;
  /** Default: host name, process id and a random part. */
  readonly id?: string;
}

export interface WorkerSettings {
  readonly concurrency: number;
  readonly batchSize: number;
  readonly pollMs: number;
  readonly queues: readonly string[];
  readonly drainMs: number;
  readonly leaseMs: number;
  readonly heartbeatMs: number;
  readonly sweepMs: number;
  readonly maxDeliveries: number;
}

/** Checks the options, every problem at once. Throws OPTION_INVALID. */
export function workerSettings(options: WorkerOptions): WorkerSettings {
  const {
    concurrency = 100,
    batchSize = concurrency,
    queues = ["default"],
    maxDeliveries = LIMITS.deliveries,
  } = options;
  const settings: WorkerSettings = {
    concurrency,
    batchSize,
    queues,
    maxDeliveries,
    pollMs: durationMs(options.pollInterval ?? 1_000, "pollInterval"),
    drainMs: durationMs(options.drain ?? 10_000, "drain"),
    leaseMs: durationMs(options.lease ?? LIMITS.leaseMs, "lease"),
    heartbeatMs: durationMs(options.heartbeat ?? LIMITS.heartbeatMs, "heartbeat"),
    sweepMs: durationMs(options.sweep ?? LIMITS.sweepMs, "sweep"),
  };
  const problems: string[] = [];
  for (const name of ["concurrency", "batchSize", "maxDeliveries"] as const) {
    if (!Number.isInteger(settings[name]) || settings[name] < 1)
      problems.push(`${name}: expected a whole number of at least 1 but found ${settings[name]}`);
  }
  if (queues.length === 0) problems.push("queues: expected at least one name");
  if (settings.heartbeatMs * 2 > settings.leaseMs)
    problems.push(
      `heartbeat: expected at most half of the lease (${settings.leaseMs} ms) but found ${settings.heartbeatMs} ms`,
    );
  if (settings.pollMs < 1) problems.push("pollInterval: expected at least 1 ms");
  if (problems.length > 0) throw new FlujoError("OPTION_INVALID", `worker: ${problems.join("; ")}`);
  return settings;
}
