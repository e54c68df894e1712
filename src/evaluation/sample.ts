import { sha256 } from "../domain/sha256.ts";
import type { Failure } from "../domain/failure.ts";
import type { Metadata } from "../domain/run.ts";

/** What a judge is shown: one step, or a whole run. */
export interface ShadowSample {
  readonly runId: string;
  readonly flow: string;
  /** Path of the step, or `__run__`. */
  readonly step: string;
  /** Which iteration or item it is. */
  readonly visit: string;
  readonly success: boolean;
  readonly output?: unknown;
  /** Why it failed. */
  readonly feedback?: string;
  readonly metadata: Metadata;
  /** Of a whole run: its last steps. */
  readonly steps?: readonly StepSummary[];
}

export interface StepSummary {
  readonly path: string;
  readonly status: "completed" | "failed";
  readonly output?: unknown;
  readonly error?: Failure;
}

export const WHOLE_RUN = "__run__";

/** Decided by the id of the run alone: the same in every process, however often it is asked. */
export function isSampled(runId: string, rate: number): boolean {
  if (rate >= 1) return true;
  return rate > 0 && Number.parseInt(sha256(`shadow-eval/${runId}`).slice(0, 8), 16) < rate * 2 ** 32;
}
