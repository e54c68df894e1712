import type { Failure } from "../domain/failure.ts";
import type { FiberKey, Fingerprint, RunId, WorkerId } from "../domain/ids.ts";
import type { EndStatus, Metadata, OpenWait, ParentRef, RunRecord, RunStatus } from "../domain/run.ts";
import type { Wire } from "../domain/wire.ts";
import type { Capabilities } from "./capabilities.ts";
import type { ItemStore } from "./items.ts";
import type { QuotaLedger } from "./ledger.ts";
import type { MigrateOptions, MigrationReport } from "./migration.ts";
import type { TaskQueue } from "./queue.ts";
import type { ScheduleStore } from "./schedule.ts";

/*
 * The rules that every backend keeps, in one place:
 *
 * Fibers. A row is LEASED (has an owner), READY (no owner, no open wait, due at `readyAt`), PARKED (no owner, an open wait,
 * due at `readyAt` or never) or ENDED (a child whose result waits for its parent's join). Claim takes READY and PARKED rows
 * whose `readyAt` has come. "Waking" a parked row sets its `readyAt` to now; leased and ended rows are never woken.
 *
 * Commit, in this order, all or nothing per transition: fence (owner, epoch, seq) → every `consume` exists, no message
 * named in `unless` does → write the fiber (seq + 1, deliveries = 0) → event → spawn, startRuns (an id that exists is left
 * alone) → send (each wakes parked fibers of that run whose wait names it; unknown or ended runs: dropped; a repeated id:
 * dropped) → cancelFork, cancelRuns → dropFork → endRun. A transition that parks while a message it waits for is in the
 * mailbox, or while an unacknowledged cancel request stands, is stored as parked and woken at once (`woken`). A batch
 * behaves as if its transitions came one after another.
 *
 * Cancel requests stand on the fiber row until a transition of that fiber acknowledges them; they wake parked rows and make
 * ready ones due now; owners of leased rows learn of them from `commit` or `heartbeat`, whichever comes first.
 *
 * Status of a run that has not ended: `pending` until first leased; then `running` while any fiber is leased, ready, or
 * parked and due; else `paused` if any open wait is human, else `waiting`.
 *
 * Governed queues (see QueueRules). Nothing is ever born leased into a governed queue, nor moved into one while held: such a row
 * is stored as READY, due now, and has to be claimed (`leased: false` of a start, `queued` of a commit). `scheduling` in a
 * transition whose position is `held` means entering the queue anew, even when it names the queue in which the fiber is.
 * Leaving a governed queue (park, end, another queue, release, sweep) frees its place at once, and hints that something is ready.
 * Rows with an unacknowledged cancel request are admitted outside the rules, before the lanes: stopping is not work. Once leased
 * they are counted like all others, so more may be leased than `concurrency` says while some stop; no rate counts their claims.
 * Whether the very claim that takes them counts them already, when it takes others besides, is left open.
 *
 * Time is the store's own clock (`now`), except for instants that a transition names.
 */

/**
 * Persistence of runs. A store saves decisions and makes none: everything here is data, atomic where it says so.
 * The conformance suite in `testing/conformance` is the definition of this contract (DESIGN §7, invariants I1 to I12).
 */
export interface RunStore {
  readonly capabilities: Capabilities;
  /**
   * Creates or upgrades the schema. Recorded, idempotent, safe to call from several processes at once. Throws STORE_TOO_NEW,
   * and OPTION_INVALID for a version that is unknown or older than the schema.
   */
  migrate(options?: MigrateOptions): Promise<MigrationReport>;
  /**
   * Insert-if-absent by id: a caller's id makes a start idempotent. Each run is created whole or not at all, whatever becomes
   * of its neighbours.
   */
  createRuns(runs: readonly NewRun[]): Promise<readonly CreateOutcome[]>;
  /** Each transition atomic and fenced on its own; one round trip for the batch. Resolved = durable (I3). */
  commit(batch: readonly Transition[]): Promise<readonly CommitOutcome[]>;
  /** Puts a message into a run's mailbox and wakes the fibers that wait for its name, in one atomic step (I5). */
  signal(message: NewMessage): Promise<SignalOutcome>;
  /** Asks a run to stop: its root fiber becomes ready, or its owner is told. Idempotent. */
  cancel(run: RunId, reason: string): Promise<"requested" | "ended" | "unknown">;
  load(run: RunId): Promise<RunRecord | undefined>;
  list(query: ListQuery): Promise<Page<RunRecord>>;
  /** Events of a run in the order of their numbers, which each fiber's own commits follow (see `EventRecord.seq`). */
  history(run: RunId, options?: { readonly after?: number; readonly limit?: number }): Promise<readonly EventRecord[]>;
  /** Fibers of a run that still exist, ended children included, ordered by key. */
  fibers(run: RunId): Promise<readonly FiberRecord[]>;
  /** Results of the ended children of one fork, in ordinal order. */
  children(run: RunId, parent: FiberKey, fork: number): Promise<readonly ChildResult[]>;
  /** Messages of a run that nobody has consumed, in arrival order. */
  messages(run: RunId): Promise<readonly MessageRecord[]>;
  /**
   * Puts a terminal run back to work under its own id: new fibers, one event, its mailbox as the end left it. Refused unless
   * the run has ended.
   */
  revive(revival: Revival): Promise<"revived" | "not-ended" | "unknown">;
  /**
   * Deletes terminal runs that ended before `endedBefore`, with their history; unreferenced blobs go too. Never touches others,
   * nor a child run whose parent waits for a reply (`parent.reply`) and has not ended. Removes all items that have expired, too,
   * which neither count nor have a limit.
   */
  prune(options: {
    readonly endedBefore: number;
    readonly limit?: number;
    readonly statuses?: readonly EndStatus[];
  }): Promise<number>;
  /** Definitions as described JSON, content-addressed by fingerprint. A name and version with another fingerprint may coexist. */
  putDefinitions(definitions: readonly StoredDefinition[]): Promise<void>;
  definition(fingerprint: Fingerprint): Promise<StoredDefinition | undefined>;
  /** A large value by hash, or undefined when it is gone. Written only through `Transition.blobs` and `NewRun.blobs`. */
  blob(hash: string): Promise<string | undefined>;
  /** Hints that something became ready or ended. May miss, may be spurious: polling is the safety net. */
  subscribe(wake: (hint: WakeHint) => void): () => void;
  /**
   * Runs `work` inside a transaction of the backend and commits the transition that it returns in that same transaction: what
   * the work wrote and the transition stand or fall together (a step's effect exactly once). Anything but `committed` rolls the
   * work's writes back, as does a throw, which is rethrown. `work` answers undefined to roll back and commit nothing (`undefined`).
   * `tx` is the backend's own handle. Only where `capabilities.transactions`. The transition is one of `run`, which says where the
   * transaction is opened, else OPTION_INVALID.
   */
  transact?(run: RunId, work: (tx: unknown) => Promise<Transition | undefined>): Promise<CommitOutcome | undefined>;
  /**
   * Which part of the store a run lives in, where parts fail, and wait, apart from each other: whoever gathers transitions
   * into batches makes one batch for each part. Absent: the store is one part.
   */
  partitionOf?(run: RunId): number;
  close(): Promise<void>;
}

/** One backend behind its named ports, joined by `commit`. */
export interface Store extends RunStore, TaskQueue, ScheduleStore, ItemStore, QuotaLedger, AsyncDisposable {}

export interface WakeHint {
  /** Fibers may be ready to claim. */
  readonly ready: boolean;
  /** Runs that ended, parked or got a cancel request. */
  readonly runs: readonly RunId[];
}

/** Where a fiber stands with respect to the queue. */
export type Position =
  | { readonly kind: "held" } // its worker keeps it and goes on
  | { readonly kind: "ready"; readonly at: number } // anyone may claim it from then on: a retry, a hand-back
  | { readonly kind: "parked"; readonly names: readonly string[]; readonly until?: number } // messages or a due time wake it
  | { readonly kind: "ended"; readonly outcome: EndStatus };

/**
 * A fiber as stored: `state` is small and written every time; `value`, `context` and `aside` are written only when they
 * changed. All four are opaque to stores.
 */
export interface FiberData {
  readonly state: Wire;
  readonly value: Wire;
  readonly context: Wire;
  readonly aside: Wire;
}

export interface Scheduling {
  readonly queue: string;
  readonly priority: number;
  /** Which lane of its queue, where the queue has rules. */
  readonly lane?: string;
}

export interface NewFiber extends FiberData, Scheduling {
  readonly key: FiberKey;
  readonly parent?: FiberKey;
  /** Which fork of the parent, and which child of that fork. */
  readonly fork?: number;
  readonly ordinal?: number;
  /** Born leased to the worker that commits, which then runs it without a claim; otherwise ready at `readyAt`. */
  readonly leased: boolean;
  readonly readyAt: number;
  /** Born ended, its result waiting for its parent's join: only where a run is revived or forked. */
  readonly ended?: EndStatus;
}

export interface Lease {
  readonly worker: WorkerId;
  readonly epoch: number;
}

export interface NewRun {
  readonly id: RunId;
  readonly flow: string;
  readonly version: string;
  readonly fingerprint: Fingerprint;
  readonly input: Wire;
  readonly metadata: Metadata;
  readonly parent?: ParentRef;
  readonly createdAt: number;
  readonly root: NewFiber;
  /** The worker the root is born leased to, when `root.leased`. Its epoch must be current, else the root is born ready. */
  readonly lease?: Lease;
  readonly event: NewEvent;
  readonly blobs: readonly Blob[];
  /** What a fork of another run brings along: its history so far (before `event`), its other fibers, its mailbox. */
  readonly continued?: Continued;
}

export interface Continued {
  readonly events: readonly (NewEvent & { readonly fiber: FiberKey })[];
  readonly fibers: readonly NewFiber[];
  readonly messages: readonly NewMessage[];
}

export type CreateOutcome =
  | { readonly status: "created"; readonly leased: boolean }
  | { readonly status: "exists"; readonly run: RunRecord } // same id; the caller compares flow and input
  | { readonly status: "rejected"; readonly error: Error }; // this run cannot be stored; its neighbours were

/** One row per transition: it carries all facts of that transition. */
export interface NewEvent {
  readonly at: number;
  readonly facts: Wire;
}

export interface EventRecord extends NewEvent {
  /**
   * Grows along a fiber; gaps are possible. Fibers of a run commit side by side: a number that was handed out earlier may appear
   * later, so who follows a run by `after` looks back a little, and passes over what it knows.
   */
  readonly seq: number;
  readonly fiber: FiberKey;
  readonly worker?: WorkerId;
}

/** Text under its SHA-256. */
export interface Blob {
  readonly hash: string;
  readonly text: string;
}

export interface NewMessage {
  readonly run: RunId;
  /**
   * Unique per run: a second message with the same id is a duplicate and changes nothing, also after the first was consumed.
   * Without an id it is never a duplicate, and nothing of it is remembered once it is consumed.
   */
  readonly id?: string;
  /**
   * Like an id for duplicates (among their own kind: an id never equals a `once`), but the message is the engine's own and goes
   * with the end of its run. Both at once are OPTION_INVALID: thrown by `signal` and `revive`, `rejected` by `commit` and `createRuns`.
   */
  readonly once?: string;
  readonly name: string;
  readonly data: Wire;
  readonly sentAt: number;
  /** Large values that `data` refers to and that come along: the run owns them from then on. Absent = none. */
  readonly blobs?: readonly Blob[];
}

export interface MessageRecord extends Omit<NewMessage, "blobs"> {
  /** Arrival order within the store. */
  readonly seq: number;
}

export type SignalOutcome = "delivered" | "duplicate" | "ended" | "unknown";

/** What one planning produced, committed atomically or not at all (I1). */
export interface Transition {
  readonly run: RunId;
  readonly fiber: FiberKey;
  /** The fence (I2): all three must match the row, else nothing is written and the answer is `lost`. */
  readonly lease: Lease;
  readonly expectedSeq: number;

  readonly state: Wire;
  readonly value?: Wire;
  readonly context?: Wire;
  readonly aside?: Wire;
  readonly position: Position;
  readonly scheduling?: Scheduling;
  readonly wait?: OpenWait;
  readonly event?: NewEvent;

  /** Messages taken out of the mailbox. If one is gone already the answer is `conflict` and nothing is written. */
  readonly consume: readonly number[];
  /** Names of which the mailbox must hold no message, else the answer is `conflict`: a deadline never beats an accepted answer. */
  readonly unless?: readonly string[];
  /** Messages to fibers of this or other runs. A message to a run that has ended is dropped. */
  readonly send: readonly NewMessage[];
  readonly spawn: readonly NewFiber[];
  readonly startRuns: readonly NewRun[];
  /** The cancel request on this fiber has been taken into its state: clear it. */
  readonly acknowledgeCancel?: boolean;
  /** Children of this fiber's fork that shall stop: a cancel request on each that has not ended. */
  readonly cancelFork?: { readonly fork: number; readonly reason: string };
  readonly cancelRuns: readonly { readonly run: RunId; readonly reason: string }[];
  /** Removes the ended children of this fork: their results have been gathered. */
  readonly dropFork?: number;
  /**
   * Ends the run: its fibers go, the run row gets its outcome. Leftover messages without an id go, too; the others were
   * accepted from outside and stay until the run is pruned, so that a revived run finds them.
   */
  readonly endRun?: RunEnd;
  readonly blobs: readonly Blob[];
}

export interface RunEnd {
  readonly status: EndStatus;
  readonly output?: Wire;
  readonly failure?: Failure;
  readonly at: number;
}

export type CommitOutcome =
  /**
   * `woken`: the fiber parked but is ready again already. `cancel`: an unacknowledged request to stop this fiber. `queued`: of
   * this fiber and its new children those that were to be leased here and wait in a governed queue instead.
   */
  | {
      readonly status: "committed";
      readonly woken: boolean;
      readonly cancel?: string;
      readonly queued?: readonly FiberKey[];
    }
  | { readonly status: "lost" } // fence: another worker owns the fiber, or it is gone
  | { readonly status: "conflict" } // a message was consumed by a sibling, or one has come that must be heard; park again
  | { readonly status: "rejected"; readonly error: Error }; // this row cannot be stored; its neighbours were

export interface ChildResult {
  readonly ordinal: number;
  readonly outcome: EndStatus;
  readonly state: Wire;
  readonly value: Wire;
  readonly context: Wire;
  readonly aside: Wire;
}

export interface FiberRecord extends FiberData, Scheduling {
  readonly run: RunId;
  readonly key: FiberKey;
  readonly parent?: FiberKey;
  readonly fork?: number;
  readonly ordinal?: number;
  readonly seq: number;
  readonly position: "ready" | "leased" | "parked" | "ended";
  readonly owner?: Lease;
  readonly readyAt?: number;
  readonly deliveries: number;
  readonly wait?: OpenWait;
  readonly cancel?: string;
}

export interface Revival {
  readonly run: RunId;
  readonly fibers: readonly NewFiber[];
  readonly event: NewEvent;
  readonly messages: readonly NewMessage[];
  readonly blobs: readonly Blob[];
}

export interface StoredDefinition {
  readonly fingerprint: Fingerprint;
  readonly name: string;
  readonly version: string;
  readonly described: Wire;
}

/** All given filters must hold. A filter not listed here is an error (I8). */
export interface ListQuery {
  readonly flow?: string;
  readonly version?: string;
  readonly status?: RunStatus | readonly RunStatus[];
  readonly metadata?: Metadata;
  readonly parent?: RunId;
  readonly createdAfter?: number;
  readonly createdBefore?: number;
  /** Newest first by default. */
  readonly order?: "newest" | "oldest";
  /** 1 to 1,000; default 50. */
  readonly limit?: number;
  readonly cursor?: string;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Pass as `cursor` for what follows; absent on the last page. */
  readonly next?: string;
}
