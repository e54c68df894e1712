import type { RunId } from "../../domain/ids.ts";
import type { Effect, OutboxEntry, ShardStore } from "../../ports/shard.ts";
import { targetOf } from "./split.ts";

export interface Applied {
  /** Ids of the entries that have been applied. */
  readonly done: readonly string[];
  /** The first of what went wrong. */
  readonly failure: Error | undefined;
}

/**
 * Applies entries to the shard that they are for: those of one run in their order, those of different runs at the same time. An
 * entry that fails holds back the later ones of its run only. Starts come first, in one batch; none follows another effect on
 * its run, since a run is not spoken to before it is started.
 */
export async function applyAll(store: ShardStore, entries: readonly OutboxEntry[]): Promise<Applied> {
  const starts = await startAll(store, entries);
  const others = new Map<RunId, OutboxEntry[]>();
  for (const entry of entries) {
    const run = targetOf(entry.effect);
    if (entry.effect.kind === "start" || starts.refused.has(run)) continue;
    const before = others.get(run);
    if (before === undefined) others.set(run, [entry]);
    else before.push(entry);
  }
  const applied = await Promise.all([...others.values()].map(async (group) => applyInOrder(store, group)));
  const all = [starts, ...applied];
  return {
    done: all.flatMap(({ done }) => done),
    failure: all.find(({ failure }) => failure !== undefined)?.failure,
  };
}

/** A run that exists is left alone. One that cannot be stored stays in the outbox, for everybody to see. */
async function startAll(
  store: ShardStore,
  entries: readonly OutboxEntry[],
): Promise<Applied & { readonly refused: ReadonlySet<RunId> }> {
  const starts = entries.flatMap(({ id, effect }) => (effect.kind === "start" ? [{ id, run: effect.run }] : []));
  const outcomes = starts.length === 0 ? [] : await store.createRuns(starts.map(({ run }) => run));
  const refused = new Set<RunId>();
  const done: string[] = [];
  let failure: Error | undefined;
  for (const [i, { id, run }] of starts.entries()) {
    const outcome = outcomes[i];
    if (outcome?.status === "rejected") {
      refused.add(run.id);
      failure ??= outcome.error;
    } else done.push(id);
  }
  return { done, failure, refused };
}

async function applyInOrder(store: ShardStore, entries: readonly OutboxEntry[]): Promise<Applied> {
  const done: string[] = [];
  try {
    for (const { id, effect } of entries) {
      await apply(store, effect);
      done.push(id);
    }
    return { done, failure: undefined };
  } catch (error) {
    return { done, failure: error instanceof Error ? error : new Error("a shard failed", { cause: error }) };
  }
}

async function apply(store: ShardStore, effect: Effect): Promise<unknown> {
  switch (effect.kind) {
    case "send":
      return store.signal(effect.message);
    case "cancel":
      return store.cancel(effect.run, effect.reason);
    case "start":
      return store.createRuns([effect.run]);
  }
}
