import type { RunId } from "../../domain/ids.ts";
import type { Transition } from "../../ports/store.ts";
import { targetsOf } from "./split.ts";

export interface Placed {
  /** Its place in the batch that was asked for. */
  readonly index: number;
  readonly transition: Transition;
}

/**
 * Cuts a batch into parts of which each shard may commit its own share at the same time as the others. A batch behaves as if its
 * transitions came one after another: so a new part begins where a run is touched that the part so far touches from another
 * shard. A batch for one shard, which is what committers send, is one part.
 */
export function* parts(batch: readonly Transition[], placeOf: (run: RunId) => number): Generator<readonly Placed[]> {
  let part: Placed[] = [];
  let touchedBy = new Map<RunId, number>();
  for (const [index, transition] of batch.entries()) {
    const home = placeOf(transition.run);
    const runs = [transition.run, ...targetsOf(transition)];
    if (runs.some((run) => (touchedBy.get(run) ?? home) !== home)) {
      yield part;
      part = [];
      touchedBy = new Map();
    }
    for (const run of runs) touchedBy.set(run, home);
    part.push({ index, transition });
  }
  if (part.length > 0) yield part;
}

/** What belongs to each shard, in order. */
export function byShard<T>(items: readonly T[], place: (item: T) => number): ReadonlyMap<number, readonly T[]> {
  const shares = new Map<number, T[]>();
  for (const item of items) {
    const shard = place(item);
    const share = shares.get(shard);
    if (share === undefined) shares.set(shard, [item]);
    else share.push(item);
  }
  return shares;
}
