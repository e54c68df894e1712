import { type Failure, RunFailedError } from "../domain/failure.ts";
import type { PauseToken, RunId } from "../domain/ids.ts";
import type { Metadata, RunRecord, RunStatus } from "../domain/run.ts";
import { decode, type Wire } from "../domain/wire.ts";

/** An open question to a human. Answer it with `flujo.resume(runId, answer, { token })`. */
export interface Pause {
  readonly token: PauseToken;
  /** The run that asks: the one looked at, or a child of it. */
  readonly runId: RunId;
  readonly path: string;
  readonly visit: string;
  readonly question: unknown;
  /** Milliseconds since the epoch. */
  readonly deadlineAt?: number;
}

/** What a run has come to. Discriminated on `status`. */
export type RunResult<Output = unknown> =
  | { readonly status: "completed"; readonly runId: RunId; readonly output: Output }
  | { readonly status: "failed"; readonly runId: RunId; readonly failure: Failure; readonly error: RunFailedError }
  | { readonly status: "cancelled"; readonly runId: RunId; readonly reason: string }
  /** Only people can move it on. */
  | { readonly status: "paused"; readonly runId: RunId; readonly pauses: readonly Pause[] }
  /** Only signals can move it on. */
  | { readonly status: "waiting"; readonly runId: RunId; readonly signals: readonly string[] }
  | { readonly status: "running"; readonly runId: RunId };

/** A run as reads show it, values decoded. Reading has no side effects and needs no registered flow. */
export interface RunView {
  readonly id: RunId;
  readonly flow: string;
  readonly version: string;
  readonly fingerprint: string;
  readonly status: RunStatus;
  readonly input: unknown;
  readonly output?: unknown;
  readonly failure?: Failure;
  readonly metadata: Metadata;
  readonly parent?: RunId;
  readonly cancelReason?: string;
  readonly createdAt: Date;
  readonly startedAt?: Date;
  readonly endedAt?: Date;
}

export interface RunDetails extends RunView {
  readonly pauses: readonly Pause[];
  /** Names of signals that open waits listen for. */
  readonly signals: readonly string[];
  /** What each line of execution is at, deepest last. */
  readonly fibers: readonly FiberView[];
  /** Signals that nobody has consumed. */
  readonly unconsumed: readonly { readonly name: string; readonly id: string; readonly sentAt: Date }[];
}

export interface FiberView {
  readonly key: string;
  readonly position: "ready" | "leased" | "parked" | "ended";
  readonly at: string;
  readonly attempt?: number;
  readonly wait?: string;
  readonly worker?: string;
  readonly dueAt?: Date;
  /** Where it stands, or would if its worker died. */
  readonly queue: string;
  readonly priority: number;
  /** Whose it is, where its run or its step says so. */
  readonly lane?: string;
  readonly deliveries: number;
}

export function runView(
  record: RunRecord,
  inflated: { readonly input: Wire; readonly output: Wire | undefined },
): RunView {
  const {
    id,
    flow,
    version,
    fingerprint,
    status,
    failure,
    metadata,
    parent,
    cancelReason,
    createdAt,
    startedAt,
    endedAt,
  } = record;
  return {
    id,
    flow,
    version,
    fingerprint,
    status,
    input: decode(inflated.input),
    ...(inflated.output !== undefined && { output: decode(inflated.output) }),
    ...(failure && { failure }),
    metadata,
    ...(parent && { parent: parent.run }),
    ...(cancelReason !== undefined && { cancelReason }),
    createdAt: new Date(createdAt),
    ...(startedAt !== undefined && { startedAt: new Date(startedAt) }),
    ...(endedAt !== undefined && { endedAt: new Date(endedAt) }),
  };
}

export const failedResult = (runId: RunId, failure: Failure): Extract<RunResult, { status: "failed" }> => {
  const error = new RunFailedError(runId, failure);
  return { status: "failed", runId, failure, error };
};
