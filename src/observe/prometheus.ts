import type { Durations } from "./distribution.ts";
import type { Counters, MetricsSnapshot } from "./metrics.ts";

const COUNTERS: readonly (readonly [field: keyof Counters, name: string, help: string])[] = [
  ["runsStarted", "flujo_runs_started_total", "Runs started by this process."],
  ["runsCompleted", "flujo_runs_completed_total", "Runs that completed here."],
  ["runsFailed", "flujo_runs_failed_total", "Runs that failed here."],
  ["runsCancelled", "flujo_runs_cancelled_total", "Runs that were cancelled here."],
  ["stepsCompleted", "flujo_steps_completed_total", "Step attempts that completed."],
  ["stepsFailed", "flujo_steps_failed_total", "Step attempts that failed."],
  ["stepsRetried", "flujo_steps_retried_total", "Step attempts after the first."],
  ["leasesLost", "flujo_leases_lost_total", "Fibers that another worker took over."],
  ["workersSwept", "flujo_workers_swept_total", "Sweeps that freed fibers of lost workers."],
  ["storeFailures", "flujo_store_failures_total", "Operations that the store refused."],
];

/** A snapshot in the text format of Prometheus 0.0.4; durations are summaries, in seconds. */
export function prometheusText(snapshot: MetricsSnapshot): string {
  const lines = COUNTERS.flatMap(([field, name, help]) => [
    ...head(name, "counter", help),
    `${name} ${snapshot[field]}`,
  ]);
  lines.push(...head("flujo_runs_pending", "gauge", "Runs started here whose end was not seen."));
  lines.push(`flujo_runs_pending ${snapshot.pending}`);
  lines.push(...head("flujo_run_duration_seconds", "summary", "From the start of a run to its end."));
  for (const { flow, ...took } of snapshot.runDurations)
    lines.push(...summary("flujo_run_duration_seconds", { flow }, took));
  lines.push(...head("flujo_step_duration_seconds", "summary", "One attempt of a step."));
  for (const { flow, step, ...took } of snapshot.stepDurations)
    lines.push(...summary("flujo_step_duration_seconds", { flow, step }, took));
  return `${lines.join("\n")}\n`;
}

const head = (name: string, type: string, help: string): string[] => [
  `# HELP ${name} ${help}`,
  `# TYPE ${name} ${type}`,
];

function summary(name: string, labels: Readonly<Record<string, string>>, took: Durations): string[] {
  const quantiles = [
    ["0.5", took.p50Ms],
    ["0.95", took.p95Ms],
    ["0.99", took.p99Ms],
  ] as const;
  return [
    ...quantiles.map(([quantile, ms]) => `${name}${labelText({ ...labels, quantile })} ${ms / 1_000}`),
    `${name}_sum${labelText(labels)} ${took.sumMs / 1_000}`,
    `${name}_count${labelText(labels)} ${took.count}`,
  ];
}

const labelText = (labels: Readonly<Record<string, string>>): string =>
  `{${Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(",")}}`;

const escaped = (value: string): string =>
  value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
