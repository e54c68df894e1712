import { type Duration, durationMs } from "../domain/duration.ts";
import { FlujoError } from "../domain/errors.ts";
import { isId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Capabilities } from "../ports/capabilities.ts";

/** How a worker works. Every field has a default that suits a service on one machine. */
export interface WorkerOptions {
  /** Fibers advanced at once. Default 100. */
  readonly concurrency?: number;
  /** Fibers taken per claim at most. Default: as many as there are free slots. */
  readonly batchSize?: number;
  /** How often to look for work that no hint announced. Default 5 s, and 1 s on a store without hints. */
  readonly pollInterval?: Duration;
  /** Queues to serve. Default `["default"]`. */
  readonly queues?: readonly string[];
  /** How long `stop` waits for running steps before it aborts them. Default 10 s. */
  readonly drain?: Duration;
  /** How long others wait before they take over what this worker holds. Default 2.5 s. */
  readonly lease?: Duration;
  /** How often the lease is renewed; while nothing is held up to four times less often. Default 0.5 s; at most half of `lease`. */
  readonly heartbeat?: Duration;
  /** How often expired leases of others are looked for, on a store that does not say when they expire. Default 0.5 s. */
  readonly sweep?: Duration;
  /** How often schedules are read; `false` = this worker starts no runs of schedules. Default 5 s. */
  readonly schedules?: Duration | false;
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
  /** How often the lease is renewed while nothing is held: some whole number of heartbeats. */
  readonly idleBeatMs: number;
  readonly sweepMs: number;
  readonly maxDeliveries: number;
  /** Undefined = it does not look at schedules. */
  readonly schedulesMs: number | undefined;
}

const SCHEDULES_MS = 5_000;
const POLL_MS: Readonly<Record<Capabilities["hints"], number>> = { push: 5_000, none: 1_000 };

/** Idle workers are the many: each asks its store once in 2 s for its lease, with a heartbeat of 0.5 s. */
const IDLE_BEATS = 4;

/**
 * As many heartbeats as a healthy worker has left when its next one is due, at least: so whoever looks at the leases of others
 * with each of its beats takes none for late that is not.
 */
function idleBeat(leaseMs: number, heartbeatMs: number): number {
  const spare = Math.floor(leaseMs / heartbeatMs) - 1;
  return heartbeatMs * Math.max(1, Math.min(IDLE_BEATS, spare));
}

/** Checks the options, every problem at once. Throws OPTION_INVALID. */
export function workerSettings(
  options: WorkerOptions,
  { hints }: Pick<Capabilities, "hints"> = { hints: "none" },
): WorkerSettings {
  const {
    concurrency = 100,
    batchSize = concurrency,
    queues = ["default"],
    maxDeliveries = LIMITS.deliveries,
  } = options;
  const leaseMs = durationMs(options.lease ?? LIMITS.leaseMs, "lease");
  const heartbeatMs = durationMs(options.heartbeat ?? LIMITS.heartbeatMs, "heartbeat");
  const settings: WorkerSettings = {
    concurrency,
    batchSize,
    queues,
    maxDeliveries,
    pollMs: durationMs(options.pollInterval ?? POLL_MS[hints], "pollInterval"),
    drainMs: durationMs(options.drain ?? 10_000, "drain"),
    leaseMs,
    heartbeatMs,
    idleBeatMs: idleBeat(leaseMs, heartbeatMs),
    schedulesMs: options.schedules === false ? undefined : durationMs(options.schedules ?? SCHEDULES_MS, "schedules"),
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
  const named = queues.filter((name) => typeof name !== "string" || !isId(name));
  if (named.length > 0) problems.push(`queues: expected names of A-Za-z0-9._:- but found ${JSON.stringify(named)}`);
  if (settings.pollMs < 1) problems.push("pollInterval: expected at least 1 ms");
  if (problems.length > 0) throw new FlujoError("OPTION_INVALID", `worker: ${problems.join("; ")}`);
  return settings;
}
