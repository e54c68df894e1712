import type { Published } from "./publish.ts";
import type { Proof, StepRow } from "./proof.ts";
import { holds } from "./proof.ts";

/** Everything the demo found out, as --json prints it. */
export interface Closing {
  readonly run: string;
  readonly status: string;
  readonly ok: boolean;
  readonly report: Published | null;
  readonly workers: readonly number[];
  readonly killedAfterSteps: number | null;
  readonly proof: Proof;
  readonly seconds: number;
  readonly historyCommand: string;
}

/** The closing words for people: the table, the proof, and where to look next. */
export function closingText(closing: Closing): string {
  const { proof, report, seconds, historyCommand } = closing;
  return [
    "",
    tableOf(proof.rows),
    "",
    ...killLines(closing),
    ...complaints(proof),
    `Finished steps executed again: ${proof.repeated.length}`,
    "",
    ...(report === null ? ["No report was written."] : [`Report    ${report.html}`, `          ${report.markdown}`]),
    `History   ${historyCommand}`,
    `Took      ${seconds.toFixed(1)} s`,
  ].join("\n");
}

function killLines({ killedAfterSteps, proof, workers }: Closing): string[] {
  if (killedAfterSteps === null) return [`One worker (pid ${workers.join(", ")}) did all the work.`];
  const [first, ...others] = workers;
  return [
    `Worker ${first} was killed when ${killedAfterSteps} steps had finished; worker ${others.join(", ")} did the rest.`,
    `Steps under way at the kill, so run again: ${proof.interrupted.length}`,
  ];
}

function complaints(proof: Proof): string[] {
  if (holds(proof)) return [];
  return [
    ...proof.repeated.map((slot) => `Repeated although finished: ${slot}`),
    ...proof.unexplained.map((slot) => `Executed too often: ${slot}`),
    ...proof.unseen.map((slot) => `In the history but not in the execution log: ${slot}`),
  ];
}

function tableOf(rows: readonly StepRow[]): string {
  const cells = [
    ["step", "finished", "executed", "attempts", "time"],
    ...rows.map(({ step, slots, executions, attempts, milliseconds }) => [
      step,
      `${slots}`,
      `${executions}`,
      `${attempts}`,
      `${milliseconds} ms`,
    ]),
  ];
  const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => (row[column] ?? "").length)));
  return cells
    .map((row) => row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))))
    .map((row) => `  ${row.join("  ")}`)
    .join("\n");
}
