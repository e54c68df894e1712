import type { Clock } from "../../domain/ambient.ts";
import type { Store } from "../../ports/store.ts";

/** The parts of the contract, in the order of the suite. */
export const ASPECTS = [
  "runs",
  "status",
  "start",
  "claim",
  "queues",
  "order",
  "due",
  "queue-rules",
  "lanes",
  "rates",
  "leases",
  "release",
  "workers",
  "fence",
  "commit",
  "atomic",
  "batch",
  "reject",
  "parking",
  "mailbox",
  "once",
  "cancel",
  "fork",
  "child-runs",
  "end",
  "history",
  "list",
  "prune",
  "definitions",
  "blobs",
  "revive",
  "payload",
  "schedules",
  "items",
  "ledger",
  "transact",
  "shard",
  "migrate",
  "hints",
  "close",
  "reopen",
  "model",
] as const;
export type Aspect = (typeof ASPECTS)[number];

/** How a case writes something of its own into the backend: what a user's step does in a transaction. */
export interface Scratch {
  /** Writes this key with the handle that `transact` gives to its work. */
  write(tx: unknown, key: string): Promise<void>;
  /** The keys that were committed, in any order. */
  read(store: Store): Promise<readonly string[]>;
}

/** A store and how the suite gets one. */
export interface UnderTest {
  readonly name: string;
  /** A new, empty store that reads the time from this clock only. Called once for each case. */
  open(options: { readonly clock: Clock }): Promise<Store>;
  /** Closes the store and opens the same data again. Without it the aspect "reopen" is skipped. */
  reopen?(store: Store, options: { readonly clock: Clock }): Promise<Store>;
  /** A store whose schema does not exist yet. Without it the cases that watch it come into being are left out. */
  openBare?(options: { readonly clock: Clock }): Promise<Store>;
  /** Needed for the aspect "transact", and only where `capabilities.transactions`. `open` makes the place it writes to. */
  readonly scratch?: Scratch;
  /** What the store cannot do, and why: the reason is shown in the title of the skipped aspect. */
  readonly lacks?: Partial<Readonly<Record<Aspect, string>>>;
  /** Random command sequences to try; default 500. */
  readonly seeds?: number;
  /** Commands of one sequence; default 15, every fifth has at least 60. */
  readonly commands?: number;
}
