import type { RunId } from "../../domain/ids.ts";
import type { EndStatus } from "../../domain/run.ts";
import type { Member } from "./member.ts";
import type { Relay } from "./relay.ts";

const CHUNK = 100;

export interface PruneOptions {
  readonly endedBefore: number;
  readonly limit?: number;
  readonly statuses?: readonly EndStatus[];
}

export interface Surroundings {
  readonly relay: Relay;
  /** Whether this run exists and has not ended, wherever it is. */
  readonly goesOn: (run: RunId) => Promise<boolean>;
}

/**
 * Deletes what one shard may forget. A child run is awaited by a parent that may be on another shard, so it is asked there.
 * Nothing goes while effects of this shard lie in its outbox: they may refer to large values of its runs.
 */
export async function pruneShard(
  member: Member,
  { limit = Number.POSITIVE_INFINITY, ...options }: PruneOptions,
  { relay, goesOn }: Surroundings,
): Promise<number> {
  const awaited = new Set<RunId>();
  let pruned = 0;
  if (limit <= 0 || !(await relay.empties(member))) return 0;
  for (;;) {
    const size = CHUNK + awaited.size; // those that stay are the oldest, and come with every page
    const page = await member.ask((store) => store.ended({ ...options, limit: size }));
    const fresh = page.filter(({ run }) => !awaited.has(run));
    const callers = new Map<RunId, Promise<boolean>>();
    const chosen: RunId[] = [];
    for (const { run, awaitedBy } of fresh) {
      if (awaitedBy !== undefined && !callers.has(awaitedBy)) callers.set(awaitedBy, goesOn(awaitedBy));
      const stays = awaitedBy !== undefined && (await callers.get(awaitedBy)) === true;
      if (stays) awaited.add(run);
      else if (pruned + chosen.length < limit) chosen.push(run);
    }
    const forgotten = chosen.length === 0 ? 0 : await member.ask((store) => store.forget(chosen));
    pruned += forgotten;
    if (page.length < size || pruned >= limit || forgotten + awaited.size === 0 || fresh.length === 0) return pruned;
  }
}
