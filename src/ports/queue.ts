import type { FiberKey, Fingerprint, RunId, WorkerId } from "../domain/ids.ts";
import type { Metadata, ParentRef } from "../domain/run.ts";
import type { FiberRecord, MessageRecord } from "./store.ts";

/** The queue of ready fibers: the same rows as the runs, seen by when they are due and who holds them. */
export interface TaskQueue {
  /** Announces a worker and gives it a new epoch, larger than any it had. */
  register(worker: WorkerId, leaseMs: number): Promise<{ readonly epoch: number }>;
  /**
   * Leases ready and due fibers, by priority (larger first), then due time. Only definitions and queues that the worker names.
   * Counts a delivery on each; a commit resets the count. Answers nothing when the worker's epoch is no longer current.
   */
  claim(request: ClaimRequest): Promise<readonly LeasedFiber[]>;
  /**
   * Renews the lease from another thread while this one is blocked by a step that computes. Optional: only where the store can
   * be reached from a thread of its own. It stops renewing when the event loop has not come round for `giveUpMs`.
   */
  guard?(beat: GuardRequest): LeaseGuard;
  /** One write per worker, whatever it holds. `lost` = its lease had been swept: it owns nothing any more. */
  heartbeat(worker: WorkerId, epoch: number, leaseMs: number): Promise<HeartbeatOutcome>;
  /** Fibers of workers whose lease ran out become ready. Idempotent; anyone may call it at any time. */
  sweep(): Promise<SweepOutcome>;
  /**
   * Gives leases back at once: all (drain), `only` these, or all `except` those the worker knows it holds (after an answer was
   * lost). Fenced by worker and epoch; the delivery counted by the claim is taken back. Answers how many fibers became ready.
   */
  release(worker: WorkerId, epoch: number, which?: Which): Promise<number>;
  /** The earliest time at which a fiber that this worker could claim becomes due, to sleep until then. */
  nextDue(request: Pick<ClaimRequest, "queues" | "fingerprints">): Promise<number | undefined>;
}

export interface FiberRef {
  readonly run: RunId;
  readonly fiber: FiberKey;
}

export type Which = { readonly only: readonly FiberRef[] } | { readonly except: readonly FiberRef[] };

export interface ClaimRequest {
  readonly worker: WorkerId;
  readonly epoch: number;
  readonly fingerprints: readonly Fingerprint[];
  readonly queues: readonly string[];
  readonly limit: number;
}

/** Everything needed to go on with a fiber: no further read. */
export interface LeasedFiber extends FiberRecord {
  readonly fingerprint: Fingerprint;
  /** Of the run. */
  readonly metadata: Metadata;
  readonly parentRun?: ParentRef;
  /** Messages in the run's mailbox whose names the fiber waits for, in arrival order. */
  readonly messages: readonly MessageRecord[];
}

export interface GuardRequest {
  readonly worker: WorkerId;
  readonly epoch: number;
  readonly leaseMs: number;
  readonly everyMs: number;
  readonly giveUpMs: number;
}

export interface LeaseGuard {
  /** The event loop has renewed the lease itself. */
  beaten(): void;
  /** When the guard last renewed the lease, in milliseconds since the epoch; 0 = it never had to. */
  readonly renewedAt: number;
  stop(): Promise<void>;
}

export type HeartbeatOutcome =
  | { readonly status: "alive"; readonly cancelled: readonly (FiberRef & { readonly reason: string })[] }
  | { readonly status: "lost" };

export interface SweepOutcome {
  readonly workers: readonly WorkerId[];
  readonly fibers: number;
}
