import type { Observation, Observer } from "../ports/observer.ts";
import { Distribution, type Durations } from "./distribution.ts";
import { prometheusText } from "./prometheus.ts";

/** A flow that makes up step names must not fill the memory: what comes after these is counted as "other". */
const MAX_SERIES = 2_000;
/** Runs whose start was seen and whose end was not; the oldest are forgotten first and then have no duration. */
const MAX_OPEN = 100_000;

export interface Counters {
  readonly runsStarted: number;
  readonly runsCompleted: number;
  readonly runsFailed: number;
  readonly runsCancelled: number;
  readonly stepsCompleted: number;
  readonly stepsFailed: number;
  /** Attempts after the first. */
  readonly stepsRetried: number;
  readonly leasesLost: number;
  readonly workersSwept: number;
  readonly storeFailures: number;
}

export interface MetricsSnapshot extends Counters {
  /** Runs that this process started and whose end it has not seen. */
  readonly pending: number;
  readonly runDurations: readonly ({ readonly flow: string } & Durations)[];
  readonly stepDurations: readonly ({ readonly flow: string; readonly step: string } & Durations)[];
}

export interface MetricsObserver extends Observer {
  /** The figures now, as plain data. */
  snapshot(): MetricsSnapshot;
  /** The figures now, in the text format of Prometheus. */
  prometheus(): string;
}

/**
 * An observer that counts in memory: runs, steps, losses, and how long they took, by flow and step.
 *
 *   const metrics = metricsObserver();
 *   new Flujo({ observers: [metrics] });
 *   metrics.snapshot().runsFailed;
 *
 * Source: Fluxo, MetricsObserver.
 */
export function metricsObserver(): MetricsObserver {
  const metrics = new Metrics();
  return {
    observe: (observation) => metrics.observe(observation),
    snapshot: () => metrics.snapshot(),
    prometheus: () => prometheusText(metrics.snapshot()),
  };
}

class Metrics {
  readonly #counts: { -readonly [name in keyof Counters]: number } = {
    runsStarted: 0,
    runsCompleted: 0,
    runsFailed: 0,
    runsCancelled: 0,
    stepsCompleted: 0,
    stepsFailed: 0,
    stepsRetried: 0,
    leasesLost: 0,
    workersSwept: 0,
    storeFailures: 0,
  };
  readonly #open = new Map<string, number>();
  readonly #runs = new Map<string, Distribution>();
  readonly #steps = new Map<string, { readonly flow: string; readonly step: string; readonly took: Distribution }>();

  observe(observation: Observation): void {
    const counts = this.#counts;
    switch (observation.kind) {
      case "run.started":
        counts.runsStarted += 1;
        return this.#opened(observation.run, observation.at);
      case "run.ended":
        return this.#ended(observation);
      case "step.started":
        if (observation.attempt > 1) counts.stepsRetried += 1;
        return;
      case "step.completed":
        counts.stepsCompleted += 1;
        return this.#step(observation.flow, observation.path).record(observation.durationMs);
      case "step.failed":
        counts.stepsFailed += 1;
        return this.#step(observation.flow, observation.path).record(observation.durationMs);
      case "lease.lost":
        counts.leasesLost += 1;
        return;
      case "worker.swept":
        counts.workersSwept += 1;
        return;
      case "store.failed":
        counts.storeFailures += 1;
        return;
      case "fiber.parked":
      case "worker.started":
      case "worker.stopped":
      case "schedule.started":
      case "schedule.skipped":
        return;
    }
  }

  snapshot(): MetricsSnapshot {
    return {
      ...this.#counts,
      pending: this.#open.size,
      runDurations: [...this.#runs].map(([flow, took]) => ({ flow, ...took.summary() })),
      stepDurations: [...this.#steps.values()].map(({ flow, step, took }) => ({ flow, step, ...took.summary() })),
    };
  }

  #opened(run: string, at: number): void {
    this.#open.set(run, at);
    if (this.#open.size <= MAX_OPEN) return;
    for (const oldest of this.#open.keys()) {
      this.#open.delete(oldest);
      return;
    }
  }

  #ended({ run, flow, status, at }: Extract<Observation, { kind: "run.ended" }>): void {
    if (status === "completed") this.#counts.runsCompleted += 1;
    if (status === "failed") this.#counts.runsFailed += 1;
    if (status === "cancelled") this.#counts.runsCancelled += 1;
    const startedAt = this.#open.get(run);
    if (startedAt === undefined) return; // started elsewhere
    this.#open.delete(run);
    const name = this.#runs.has(flow) || this.#runs.size < MAX_SERIES ? flow : "other";
    const took = this.#runs.get(name) ?? new Distribution();
    this.#runs.set(name, took);
    took.record(at - startedAt);
  }

  #step(flow: string, step: string): Distribution {
    const key = `${flow}\n${step}`;
    const known = this.#steps.get(key);
    if (known !== undefined) return known.took;
    if (this.#steps.size >= MAX_SERIES && step !== "other") return this.#step("other", "other");
    const took = new Distribution();
    this.#steps.set(key, { flow, step, took });
    return took;
  }
}
