import { isHeld } from "../../ports/effects.ts";
import type { ShardTransition } from "../../ports/shard.ts";
import type { Transition } from "../../ports/store.ts";

/** Whether what it does to its own run depends on what others do to it, or they on it. Others only add to the run. */
export const isExclusive = (t: Transition): boolean =>
  t.position.kind === "parked" ||
  t.consume.length > 0 ||
  t.unless !== undefined ||
  t.endRun !== undefined ||
  t.cancelFork !== undefined ||
  t.dropFork !== undefined;

const fiberOf = (run: string, fiber: string): string => `${run}/${fiber}`;

/** Numbers of the layers that have touched something so far. */
class Touched {
  readonly #layers = new Map<string, number>();

  after(what: string): number {
    return (this.#layers.get(what) ?? 0) + 1;
  }

  note(what: string, layer: number): void {
    if ((this.#layers.get(what) ?? 0) < layer) this.#layers.set(what, layer);
  }
}

/**
 * A batch behaves as if its transitions came one after another. Those that touch nothing of each other may as well come
 * together: each goes into the first layer after all that it has something to do with. Most batches are one layer.
 */
export function layersOf<T extends { readonly transition: ShardTransition }>(
  batch: readonly T[],
): readonly (readonly T[])[] {
  const apart = new Set(batch.map(({ transition: { run, fiber } }) => fiberOf(run, fiber))).size === batch.length;
  if (apart && batch.every(({ transition }) => isHeld(transition))) return batch.length === 0 ? [] : [batch];
  const layers: T[][] = [];
  const exclusively = new Touched();
  const additively = new Touched();
  const fibers = new Touched();
  for (const item of batch) {
    const { transition: t } = item;
    const own = [fiberOf(t.run, t.fiber), ...t.spawn.map(({ key }) => fiberOf(t.run, key))];
    const changed = [...t.startRuns.map(({ id }) => id), ...t.cancelRuns.map(({ run }) => run)];
    const added = t.send.map(({ run }) => run);
    (isExclusive(t) ? changed : added).push(t.run);
    const layer = Math.max(
      ...own.map((fiber) => fibers.after(fiber)),
      ...changed.map((run) => Math.max(exclusively.after(run), additively.after(run))),
      ...added.map((run) => exclusively.after(run)),
    );
    for (const fiber of own) fibers.note(fiber, layer);
    for (const run of changed) exclusively.note(run, layer);
    for (const run of added) additively.note(run, layer);
    (layers[layer - 1] ??= []).push(item);
  }
  return layers;
}
