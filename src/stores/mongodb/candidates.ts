import type { Document } from "./driver.ts";

/** A row that may be claimed, as the queue shows it: of a child `run` names the run, a root is its run. */
export interface Candidate {
  readonly _id: string;
  readonly run?: string;
  readonly key: string;
  readonly queue: string;
  readonly lane?: string;
  readonly priority: number;
  readonly due: number;
  readonly readyAt: number;
  readonly cancel?: string;
}

export const CANDIDATE: Readonly<Record<string, 1>> = {
  run: 1,
  key: 1,
  queue: 1,
  lane: 1,
  priority: 1,
  due: 1,
  cancel: 1,
};

/** What the partial index `ready` holds: rows that nobody leases and that have a due time. */
export const dueFilter = (queues: readonly string[], fingerprints: readonly string[], now: number): Document => ({
  queue: { $in: queues },
  fp: { $in: fingerprints },
  due: { $lte: now },
});
