import type { Clock } from "../../domain/ambient.ts";
import type { Store } from "../../ports/store.ts";

/** The parts of the contract, in the order of the suite. */
export const ASPECTS = [
  "runs",
  "status",
  "start",
  "claim",
  "queues",
  "due",
  "leases",
  "release",
  "fence",
  "commit",
  "atomic",
  "batch",
  "reject",
  "parking",
  "mailbox",
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
  "migrate",
  "hints",
  "close",
  "reopen",
  "model",
] as const;
export type Aspect = (typeof ASPECTS)[number];

/** A store and how the suite gets one. */
export interface UnderTest {
  readonly name: string;
  /** A new, empty store that reads the time from this clock only. Called once for each case. */
  open(options: { readonly clock: Clock }): Promise<Store>;
  /** Closes the store and opens the same data again. Without it the aspect "reopen" is skipped. */
  reopen?(store: Store, options: { readonly clock: Clock }): Promise<Store>;
  /** What the store cannot do, and why: the reason is shown in the title of the skipped aspect. */
  readonly lacks?: Partial<Readonly<Record<Aspect, string>>>;
  /** Random command sequences to try; default 200. Stores that sync to disk may want fewer. */
  readonly seeds?: number;
}
