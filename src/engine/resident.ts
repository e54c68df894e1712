import type { Clock } from "../domain/ambient.ts";
import type { Fingerprint, FiberKey, RunId } from "../domain/ids.ts";
import type { Metadata, ParentRef } from "../domain/run.ts";
import type { Definition } from "../definition/definition.ts";
import type { Fiber } from "../planner/fiber.ts";
import type { Lease, MessageRecord, Scheduling } from "../ports/store.ts";

/** A fiber that this process holds: its state in memory is the state in the store, as of `seq`. */
export interface Resident {
  readonly run: RunId;
  readonly key: FiberKey;
  readonly definition: Definition;
  readonly fingerprint: Fingerprint;
  readonly metadata: Metadata;
  readonly parentRun: ParentRef | undefined;
  readonly parent: FiberKey | undefined;
  readonly fork: number | undefined;
  readonly ordinal: number | undefined;
  readonly lease: Lease;
  /** The store's clock when it was claimed; 0 = it was born here. */
  readonly claimedAt: number;
  /** Where its row stands in the queue: there it will be found if this process dies. */
  scheduling: Scheduling;
  seq: number;
  fiber: Fiber;
  deliveries: number;
  messages: readonly MessageRecord[];
  /** Why it shall stop; set by whoever hears of it first. */
  cancel: string | undefined;
  /** The lease is gone: nothing that this process still does with the fiber counts. */
  dropped: boolean;
  /** Aborts the attempt that runs now. */
  abort: ((reason: unknown) => void) | undefined;
}

/** What time it is for a fiber: what was due by the store's clock when it was claimed must not be too early by ours. */
export const timeFor = ({ claimedAt }: Pick<Resident, "claimedAt">, clock: Pick<Clock, "now">): number =>
  Math.max(clock.now(), claimedAt);
