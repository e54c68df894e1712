import type { FiberKey, Fingerprint, RunId, WorkerId } from "../domain/ids.ts";
import type { Metadata, ParentRef } from "../domain/run.ts";
import type { QueueRules } from "./queue-rules.ts";
import type { FiberRecord, MessageRecord } from "./store.ts";
import type { Wire } from "../domain/wire.ts";

/** The queue of ready fibers: the same rows as the runs, seen by when they are due and who holds them. */
export interface TaskQueue {
  /** Announces a worker and gives it a new epoch, larger than any it had. `about` is what `workers` shows of it. */
  register(worker: WorkerId, leaseMs: number, about?: Wire): Promise<{ readonly epoch: number }>;
  /** Workers whose lease has not been swept, by id. */
  workers(): Promise<readonly WorkerRecord[]>;
  /**
   * Sets the rules of these queues, whole; a queue without any rule (`isGoverned`) is free again. They hold for claims from then
   * on, and what is leased already counts. Rates go on as long as their period stays. Throws OPTION_INVALID (`checkRules`).
   */
  putQueueRules(rules: readonly QueueRules[]): Promise<void>;
  /** Rules of all governed queues, by name. */
  queueRules(): Promise<readonly QueueRules[]>;
  /**
   * Leases ready and due fibers, by priority (larger first), then due time. Only definitions and queues that the worker names.
   * Counts a delivery on each; a commit resets the count. Answers nothing when the worker's epoch is no longer current.
   * From governed queues only what their rules admit (`admit`), lanes in turn, also across claims and workers. Of several queues
   * it takes as `mergeOffers` says, and rates count what it took.
   */
  claim(request: ClaimRequest): Promise<readonly LeasedFiber[]>;
  /**
   * Renews the lease from another thread while this one is blocked by a step that computes. Optional: only where the store can
   * be reached from a thread of its own. It stops renewing when the event loop has not come round for `giveUpMs`.
   */
  guard?(beat: GuardRequest): LeaseGuard;
  /**
   * One write per worker, whatever it holds. `lost` = its lease had been swept: it owns nothing any more. `about`, when given,
   * replaces what `workers` shows of it: a process may learn new flows.
   */
  heartbeat(worker: WorkerId, epoch: number, leaseMs: number, about?: Wire): Promise<HeartbeatOutcome>;
  /** Fibers of workers whose lease ran out become ready. Idempotent; anyone may call it at any time. */
  sweep(): Promise<SweepOutcome>;
  /**
   * Gives leases back at once: all (drain), `only` these, or all `except` those the worker knows it holds (after an answer was
   * lost). Fenced by worker and epoch; the delivery counted by the claim is taken back. Answers how many fibers became ready.
   */
  release(worker: WorkerId, epoch: number, which?: Which): Promise<number>;
  /**
   * The earliest time at which a fiber that this worker could claim becomes due, to sleep until then. In a governed queue rows
   * that are due and wait for a place are not counted (whoever leaves one wakes), and rows that wait for a rate count from
   * when it has room again.
   */
  nextDue(request: Pick<ClaimRequest, "queues" | "fingerprints">): Promise<number | undefined>;
}

export interface WorkerRecord {
  readonly worker: WorkerId;
  readonly epoch: number;
  readonly leaseUntil: number;
  /** Fibers that it holds. */
  readonly held: number;
  readonly about: Wire;
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
  /** The store's clock at the claim: a worker whose own clock is behind must not think that what was due is not. */
  readonly claimedAt: number;
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
  | {
      readonly status: "alive";
      readonly cancelled: readonly (FiberRef & { readonly reason: string })[];
      /**
       * In how many milliseconds, by the store's clock, the first lease of ANOTHER worker runs out: not positive = one has run
       * out and awaits a sweep, Infinity = there is no other. So a healthy cluster sends no sweeps. Absent where the store does
       * not say: then workers sweep regularly.
       */
      readonly nextExpiryMs?: number;
    }
  | { readonly status: "lost" };

export interface SweepOutcome {
  readonly workers: readonly WorkerId[];
  readonly fibers: number;
}
