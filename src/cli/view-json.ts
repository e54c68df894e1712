import type { RunDetails, RunView } from "../runner/result.ts";
import { failureJson } from "./report.ts";
import { valueJson } from "./text.ts";

/** A run as JSON: its own dates as text, the user's values as JSON can say them. */
export function viewJson(view: RunView, verbose: boolean): Readonly<Record<string, unknown>> {
  return {
    ...view,
    input: valueJson(view.input),
    ...("output" in view && { output: valueJson(view.output) }),
    ...(view.failure && { failure: failureJson(view.failure, verbose) }),
  };
}

export function detailsJson(details: RunDetails, verbose: boolean): Readonly<Record<string, unknown>> {
  const pauses = details.pauses.map((pause) => ({ ...pause, question: valueJson(pause.question) }));
  return { ...viewJson(details, verbose), pauses };
}
