import type { WorkerId } from "../../domain/ids.ts";
import type { SweepOutcome } from "../../ports/queue.ts";
import type { Base } from "./base.ts";
import type { WorkerDocument } from "./documents.ts";
import { finishLeftovers } from "./effects.ts";
import { dropGrants } from "./queues.ts";
import type { Runs } from "./runs.ts";
import { handBackAll, leasesInUse } from "./workers.ts";

/**
 * Deletes workers whose lease ran out, then hands back every fiber whose lease is nobody's: of those workers, of earlier epochs,
 * and of a claim that was under way while its worker was swept. Leases in use are read before the workers, so that one which is
 * just beginning is never taken for dead.
 */
export async function sweep(base: Base, runs: Runs): Promise<SweepOutcome> {
  const now = base.now();
  const expired = (await base.in.workers.find({ leaseUntil: { $lte: now } }).toArray()) as readonly WorkerDocument[];
  const dead: WorkerId[] = [];
  for (const { _id, epoch } of expired) {
    const { deletedCount } = await base.in.workers.deleteOne({ _id, epoch, leaseUntil: { $lte: now } });
    if (deletedCount === 1) dead.push(_id as WorkerId);
  }
  await finishLeftovers(base, runs);
  const inUse = await leasesInUse(base);
  const alive = (await base.in.workers.find({}).toArray()) as readonly WorkerDocument[];
  const standing = new Set(alive.map(({ _id, epoch }) => `${_id}@${epoch}`));
  const fibers = await handBackAll(
    base,
    runs,
    inUse.filter((lease) => !standing.has(lease)),
  );
  await dropGrants(base, standing);
  return { workers: dead, fibers };
}
