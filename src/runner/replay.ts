import type { Fact } from "../domain/event.ts";
import { type Failure, failure } from "../domain/failure.ts";
import type { RunId } from "../domain/ids.ts";
import { placeOf } from "../domain/ids.ts";
import { isEnd, isRunStatus } from "../domain/run.ts";
import { decode } from "../domain/wire.ts";
import type { Definition } from "../definition/definition.ts";
import { replay } from "../engine/replay.ts";
import { type RunExport, rowsIn } from "./export.ts";

/** What a replay came to. */
export interface ReplayResult<Output = unknown> {
  readonly runId: string;
  readonly status: "completed" | "failed" | "cancelled" | "open";
  readonly output?: Output;
  readonly failure?: Failure;
  /** Steps in the order of their completion within their line of execution, with what they gave. */
  readonly steps: readonly { readonly at: string; readonly attempt: number; readonly output: unknown }[];
  /** Every decision came out as it was recorded. */
  readonly identical: boolean;
  /** Where the flow decides otherwise now than it did then, a sentence for each line of execution. */
  readonly differences: readonly string[];
}

/** Throws REPLAY_MISSING where the flow asks for something that the record does not have. */
export async function replayExport(definition: Definition, exported: RunExport): Promise<ReplayResult> {
  const { id, status } = exported.run;
  const isOpen = isRunStatus(status) && !isEnd(status);
  const replayed = await replay(definition, { id: id as RunId, rows: rowsIn(exported), isOpen });
  const { outcome, output, failure: why, facts, differences } = replayed;
  return {
    runId: exported.run.id,
    status: outcome,
    ...(outcome === "completed" && { output: decode(output) }),
    ...(outcome === "failed" && { failure: why ?? failure("RUN_FAILED", "the run failed") }),
    steps: [...facts.values()].flatMap((line) => line.flatMap(stepIn)),
    identical: differences.length === 0,
    differences: differences.map(
      ({ fiber, expected, found }) => `fiber ${fiber}: expected ${said(expected)} but found ${said(found)}`,
    ),
  };
}

const stepIn = (fact: Fact): ReplayResult["steps"] =>
  fact.type === "step.completed"
    ? [{ at: placeOf(fact.path, fact.visit), attempt: fact.attempt, output: decode(fact.output) }]
    : [];

const MAX_SAID = 400;

function said(fact: Fact | undefined): string {
  if (fact === undefined) return "nothing";
  const text = JSON.stringify(fact);
  return text.length <= MAX_SAID ? text : `${text.slice(0, MAX_SAID)}…`;
}
