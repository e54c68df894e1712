import type { RunId, WorkerId } from "../domain/ids.ts";
import type { EndStatus } from "../domain/run.ts";
import type { CommitOutcome, NewMessage, NewRun, Store, Transition } from "./store.ts";

/**
 * What a store must be able to do besides its contract so that several of them together can be one (DESIGN §7: the unit of
 * consistency is one run; what crosses runs is an idempotent message).
 *
 * A transition of one shard may have effects on runs of others. Those are kept beside it, in the same atomic step, until the
 * router has applied them there and says so. Applying one twice changes nothing.
 */
export interface ShardStore extends Store {
  commit(batch: readonly ShardTransition[]): Promise<readonly CommitOutcome[]>;
  /** Effects that have not been reported as done, oldest first; with `to` only those on that shard. */
  outbox(limit: number, to?: number): Promise<readonly OutboxEntry[]>;
  /** These effects have been applied. Unknown ids are ignored. */
  outboxDone(ids: readonly string[]): Promise<void>;
  /** Announces a worker under an epoch that another shard has given it. A smaller one than it has is ignored. */
  admit(worker: WorkerId, epoch: number, leaseMs: number): Promise<void>;
  /** Ended runs that `prune` would consider, oldest end first, whatever their parents: the router knows where those are. */
  ended(options: {
    readonly endedBefore: number;
    readonly limit: number;
    readonly statuses?: readonly EndStatus[];
  }): Promise<readonly { readonly run: RunId; readonly awaitedBy?: RunId }[]>;
  /** Deletes these runs if they have ended, with all that belongs to them. Answers how many. */
  forget(runs: readonly RunId[]): Promise<number>;
  /** Keeps `value` under `key`, for ever, unless there is one. Answers what is kept: the first value wins. */
  mark(key: string, value: string): Promise<string>;
}

export interface ShardTransition extends Transition {
  /** Ids are the router's, unique for ever: `outboxDone` names them. */
  readonly outbox?: readonly OutboxEntry[];
}

export interface OutboxEntry {
  readonly id: string;
  /** Number of the shard that the effect is for. */
  readonly to: number;
  readonly effect: Effect;
}

/** One effect on one run of another shard. `send` has an id or a `once`, so that a repeated one is a duplicate. */
export type Effect =
  | { readonly kind: "send"; readonly message: NewMessage }
  | { readonly kind: "start"; readonly run: NewRun }
  | { readonly kind: "cancel"; readonly run: RunId; readonly reason: string };
