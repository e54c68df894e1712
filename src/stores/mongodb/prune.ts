import { END_STATUSES, type EndStatus } from "../../domain/run.ts";
import type { Base } from "./base.ts";
import type { RunDocument } from "./documents.ts";
import { expireItems } from "./items.ts";
import { dropBlobs } from "./texts.ts";

/** Runs deleted at a time: long commands hold up others. */
const CHUNK = 100;

export interface Pruning {
  readonly endedBefore: number;
  readonly limit?: number;
  readonly statuses?: readonly EndStatus[];
}

type Ended = Pick<RunDocument, "_id" | "story" | "life" | "v" | "endedAt" | "caller">;

/*
 * Of a run's documents its own goes first, on condition of its version: a revival that comes in between wins, and loses nothing.
 * What belongs to the run goes afterwards; a grave, dug before, tells the next prune of it should this one die.
 */

export async function prune(
  base: Base,
  { endedBefore, limit = Number.POSITIVE_INFINITY, statuses = END_STATUSES }: Pruning,
): Promise<number> {
  await expireItems(base);
  await clearGraves(base);
  let pruned = 0;
  let from: { readonly endedAt: number; readonly _id: string } | undefined;
  while (pruned < limit) {
    const found = (await base.in.runs
      .find(
        {
          status: { $in: statuses },
          "out.0": { $exists: false }, // others have still to hear of its end
          endedAt: { $lt: endedBefore, ...(from !== undefined && { $gte: from.endedAt }) },
          ...(from !== undefined && { $or: [{ endedAt: { $gt: from.endedAt } }, { _id: { $gt: from._id } }] }),
        },
        { projection: { story: 1, life: 1, v: 1, endedAt: 1, caller: 1 }, sort: { endedAt: 1, _id: 1 }, limit: CHUNK },
      )
      .toArray()) as readonly Ended[];
    const awaited = await awaitedAmong(base, found);
    const going = found.filter(({ _id }) => !awaited.has(_id)).slice(0, limit - pruned);
    for (const run of going) if (await forget(base, run)) pruned += 1;
    const last = found.at(-1);
    if (last === undefined || found.length < CHUNK) return pruned;
    from = { endedAt: last.endedAt ?? 0, _id: last._id };
  }
  return pruned;
}

/** Those for whose reply a parent still waits: their output is still to be collected. */
async function awaitedAmong(base: Base, found: readonly Ended[]): Promise<ReadonlySet<string>> {
  const callers = found.flatMap(({ caller }) => (caller === undefined || caller.reply === "" ? [] : [caller.run]));
  if (callers.length === 0) return new Set();
  const going = new Set(
    await base.in.runs.distinct("_id", {
      _id: { $in: [...new Set(callers)] },
      endedAt: { $exists: false },
      v: { $exists: true },
    }),
  );
  return new Set(
    found.flatMap(({ _id, caller }) =>
      caller !== undefined && caller.reply !== "" && going.has(caller.run) ? [_id] : [],
    ),
  );
}

interface Grave {
  readonly _id: string;
  readonly run: string;
  readonly story: string;
  readonly life: string;
}

async function forget(base: Base, { _id: run, story, life, v }: Ended): Promise<boolean> {
  const grave: Grave = { _id: `${story}/grave`, run, story, life };
  await base.in.runs.updateOne({ _id: grave._id }, { $set: { run, story, life, grave: true } }, { upsert: true });
  const { deletedCount } = await base.in.runs.deleteOne({ _id: run, v });
  if (deletedCount === 0) await base.in.runs.deleteOne({ _id: grave._id });
  else await clear(base, grave);
  return deletedCount === 1;
}

async function clearGraves(base: Base): Promise<void> {
  const graves = (await base.in.runs.find({ grave: true }).toArray()) as readonly Grave[];
  for (const grave of graves) {
    const alive = await base.in.runs.find({ _id: grave.run, story: grave.story }, { projection: { _id: 1 } }).toArray();
    if (alive.length > 0) await base.in.runs.deleteOne({ _id: grave._id });
    else await clear(base, grave);
  }
}

async function clear(base: Base, { _id, story, life }: Grave): Promise<void> {
  await base.in.events.deleteMany({ story });
  await base.in.received.deleteMany({ story });
  await dropBlobs(base, { story });
  await base.in.runs.deleteMany({ life, w: { $exists: true } });
  await base.in.runs.deleteOne({ _id });
}
