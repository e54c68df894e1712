import type { Failure } from "./failure.ts";
import type { FiberKey, Fingerprint, PauseToken, RunId } from "./ids.ts";
import type { Wire } from "./wire.ts";

/**
 * What the store remembers of a run. A stored name is for ever.
 *
 *   pending ──► running ──► completed | failed | cancelled
 *
 * `paused` (only human answers can move it) and `waiting` (signals, timers, child runs) are not stored: they are read from
 * the fibers, so that they can never disagree with them.
 */
export const RUN_STATUSES = ["pending", "running", "paused", "waiting", "completed", "failed", "cancelled"] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];
export type EndStatus = "completed" | "failed" | "cancelled";
export const END_STATUSES: readonly EndStatus[] = ["completed", "failed", "cancelled"];

export const isEnd = (status: RunStatus): status is EndStatus =>
  status === "completed" || status === "failed" || status === "cancelled";
export const isRunStatus = (text: string): text is RunStatus => (RUN_STATUSES as readonly string[]).includes(text);

/** Searchable facts about a run, given at its start. */
export type Metadata = Readonly<Record<string, string | number | boolean>>;

/** Who waits for this run: the fiber of the parent run, and the number of the child within its call. */
export interface ParentRef {
  readonly run: RunId;
  readonly fiber: FiberKey;
  /** Message name under which the end of this run is told to the parent. */
  readonly reply: string;
}

export interface RunRecord {
  readonly id: RunId;
  readonly flow: string;
  readonly version: string;
  readonly fingerprint: Fingerprint;
  readonly status: RunStatus;
  readonly input: Wire;
  readonly output?: Wire;
  readonly failure?: Failure;
  readonly metadata: Metadata;
  readonly parent?: ParentRef;
  readonly cancelReason?: string;
  readonly createdAt: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
}

/** An open wait, as dashboards and answers see it. */
export interface OpenWait {
  readonly kind: "human" | "signal" | "timer" | "join" | "call";
  readonly path: string;
  readonly visit: string;
  /** Message names that would end the wait. */
  readonly names: readonly string[];
  readonly token?: PauseToken;
  readonly question?: Wire;
  readonly deadlineAt?: number;
}
