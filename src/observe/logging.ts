import { placeOf } from "../domain/ids.ts";
import type { Observation, Observer } from "../ports/observer.ts";
import { jsonLine, type Level, LEVELS, type LogLine, textLine } from "./log-line.ts";

export interface LoggingOptions {
  /** Takes one line, its newline included. Default: stderr. */
  readonly write?: (line: string) => void;
  /** The least level that is written. Default "info". */
  readonly level?: Level;
  /** Default: text where stderr is a terminal and `write` is not given, else JSON lines. */
  readonly format?: "text" | "json";
}

/**
 * An observer that logs: starts and ends of runs as `info`, failures as `error`, steps and waits as `debug`.
 *
 *   new Flujo({ observers: [loggingObserver({ level: "debug" })] })
 *
 * Source: Fluxo, LoggingObserver.
 */
export function loggingObserver(options: LoggingOptions = {}): Observer {
  const { level = "info", write = (line) => void process.stderr.write(line) } = options;
  const terminal = options.write === undefined && process.stderr.isTTY;
  const format = (options.format ?? (terminal ? "text" : "json")) === "text" ? textLine : jsonLine;
  const least = LEVELS.indexOf(level);
  return {
    observe(observation) {
      const line = lineFor(observation);
      if (LEVELS.indexOf(line.level) >= least) write(format(line));
    },
  };
}

function lineFor(observation: Observation): LogLine {
  const { kind, at, ...fields } = observation;
  return {
    at,
    level: levelOf(observation),
    message: messageOf(observation),
    fields: { event: kind, ...brief(fields) },
  };
}

/** Stacks belong to the history of a run; a line names the failure. */
function brief(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { failure, ...rest } = fields;
  if (typeof failure !== "object" || failure === null) return rest;
  const { code, message, at } = failure as { readonly code: string; readonly message: string; readonly at?: string };
  return { ...rest, code, error: message, ...(at !== undefined && { place: at }) };
}

function levelOf(observation: Observation): Level {
  switch (observation.kind) {
    case "run.started":
    case "worker.started":
    case "worker.stopped":
    case "schedule.started":
      return "info";
    case "run.ended":
      return observation.status === "failed" ? "error" : "info";
    case "step.started":
    case "step.completed":
    case "fiber.parked":
      return "debug";
    case "step.failed":
    case "store.failed":
      return "error";
    case "lease.lost":
    case "worker.swept":
    case "schedule.skipped":
      return "warn";
  }
}

function messageOf(observation: Observation): string {
  switch (observation.kind) {
    case "run.started":
      return `run ${observation.run} of ${observation.flow}@${observation.version} started`;
    case "run.ended":
      return `run ${observation.run} of ${observation.flow} ${observation.status}`;
    case "step.started":
      return `${place(observation)} started${again(observation.attempt)}`;
    case "step.completed":
      return `${place(observation)} completed in ${observation.durationMs} ms`;
    case "step.failed":
      return `${place(observation)} failed${again(observation.attempt)}`;
    case "fiber.parked":
      return `${place(observation)} waits (${observation.wait})`;
    case "lease.lost":
      return `worker ${observation.worker} lost run ${observation.run}`;
    case "worker.started":
      return `worker ${observation.worker} started`;
    case "worker.stopped":
      return `worker ${observation.worker} stopped`;
    case "worker.swept":
      return `worker ${observation.worker} freed ${observation.fibers} fibers of lost workers`;
    case "schedule.started":
      return `schedule ${observation.schedule} started run ${observation.run}`;
    case "schedule.skipped":
      return `schedule ${observation.schedule} skipped ${new Date(observation.tick).toISOString()} (${observation.why})`;
    case "store.failed":
      return `the store failed to ${observation.operation}`;
  }
}

const place = ({ path, visit }: { readonly path: string; readonly visit: string }): string => placeOf(path, visit);
const again = (attempt: number): string => (attempt > 1 ? ` (attempt ${attempt})` : "");
