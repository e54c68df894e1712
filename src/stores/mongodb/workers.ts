import type { FiberKey, RunId, WorkerId } from "../../domain/ids.ts";
import type { Wire } from "../../domain/wire.ts";
import type { FiberRef, HeartbeatOutcome, Which, WorkerRecord } from "../../ports/queue.ts";
import type { Lease } from "../../ports/store.ts";
import { json, original } from "../../ports/stored-text.ts";
import type { Base } from "./base.ts";
import type { FiberFields, WorkerDocument } from "./documents.ts";
import { isDuplicate } from "./errors.ts";
import { parsed } from "./rows.ts";
import type { Runs } from "./runs.ts";

const NOTHING_ELSEWHERE: ReadonlyMap<string, string> = new Map();

/** Leases among these that stand, as text. */
export async function currentLeases(base: Base, leases: readonly Lease[]): Promise<ReadonlySet<string>> {
  const ids = [...new Set(leases.map(({ worker }) => worker))];
  const found = (await base.in.workers.find({ _id: { $in: ids } }).toArray()) as readonly WorkerDocument[];
  return new Set(found.map(({ _id, epoch }) => `${_id}@${epoch}`));
}

/** Epochs grow across the store, so that rows of dead workers need not be kept to remember theirs. */
export async function register(
  base: Base,
  runs: Runs,
  worker: WorkerId,
  given: { readonly leaseMs: number; readonly about: Wire },
): Promise<number> {
  const { value: epoch } = (await base.in.counters.findOneAndUpdate(
    { _id: "epoch" },
    { $inc: { value: 1 } },
    { upsert: true, returnDocument: "after" },
  )) as { readonly value: number };
  const set = { epoch, leaseUntil: base.now() + given.leaseMs, about: json(given.about) };
  try {
    // A registration that took its number later, and came first, stands.
    await base.in.workers.updateOne({ _id: worker, epoch: { $lt: epoch } }, { $set: set }, { upsert: true });
  } catch (error) {
    if (!isDuplicate(error)) throw error;
  }
  const before = (await leasesInUse(base)).filter(
    (lease) => lease.startsWith(`${worker}@`) && lease !== `${worker}@${epoch}`,
  );
  await handBackAll(base, runs, before);
  return epoch;
}

export async function heartbeat(
  base: Base,
  lease: Lease,
  leaseMs: number,
  about: Wire | undefined,
): Promise<HeartbeatOutcome> {
  const { worker, epoch } = lease;
  const set = { leaseUntil: base.now() + leaseMs, ...(about !== undefined && { about: json(about) }) };
  const { matchedCount } = await base.in.workers.updateOne({ _id: worker, epoch }, { $set: set });
  if (matchedCount === 0) return { status: "lost" };
  const rows = await heldRows(base, { lease: `${worker}@${epoch}`, cancel: { $exists: true } });
  return { status: "alive", cancelled: rows.map((row) => ({ ...refOf(row), reason: original(row.cancel ?? "") })) };
}

type HeldRow = Pick<FiberFields, "key" | "cancel" | "lease"> & { readonly _id: string; readonly run?: string };

const heldRows = async (base: Base, filter: Readonly<Record<string, unknown>>): Promise<readonly HeldRow[]> =>
  (await base.in.runs
    .find(filter, { projection: { run: 1, key: 1, cancel: 1, lease: 1 } })
    .toArray()) as readonly HeldRow[];

const refOf = ({ _id, run, key }: HeldRow): FiberRef => ({ run: (run ?? _id) as RunId, fiber: key as FiberKey });

export const leasesInUse = async (base: Base): Promise<readonly string[]> =>
  (await base.in.runs.distinct("lease", { lease: { $exists: true } })) as readonly string[];

/** Everything that is held under these leases. */
export async function handBackAll(base: Base, runs: Runs, leases: readonly string[]): Promise<number> {
  if (leases.length === 0) return 0;
  const rows = await heldRows(base, { lease: { $in: leases } });
  return handBack(base, runs, { refs: rows.map(refOf), leases: new Set(leases), uncount: false });
}

interface HandBack {
  readonly refs: readonly FiberRef[];
  /** Only what is still held under one of these. */
  readonly leases: ReadonlySet<string>;
  /** The delivery that the claim counted is taken back. */
  readonly uncount: boolean;
}

/** Makes fibers due at once. Answers how many were held. */
async function handBack(base: Base, runs: Runs, { refs, leases, uncount }: HandBack): Promise<number> {
  const byRun = new Map<string, string[]>();
  for (const { run, fiber } of refs) byRun.set(run, [...(byRun.get(run) ?? []), fiber]);
  const freed = await runs.change<number>({
    runs: [...byRun.keys()],
    needs: ({ id }) => ({ keys: byRun.get(id) ?? [] }),
    decide: (image, run, now) => {
      let count = 0;
      for (const key of byRun.get(run) ?? []) {
        const row = image?.rows.get(key);
        if (row?.fields.lease === undefined || !leases.has(row.fields.lease)) continue;
        const { deliveries = 0 } = row.fields;
        row.write({ lease: undefined, due: now, ...(uncount && { deliveries: Math.max(0, deliveries - 1) }) });
        count += 1;
      }
      return count;
    },
  });
  const sum = [...freed.values()].reduce((a, b) => a + b, 0);
  if (sum > 0) base.hints.tell(true, []);
  return sum;
}

export async function release(base: Base, runs: Runs, lease: Lease, which: Which | undefined): Promise<number> {
  const text = `${lease.worker}@${lease.epoch}`;
  if (!(await currentLeases(base, [lease])).has(text)) return 0;
  const chosen = which !== undefined && "only" in which ? which.only : await allBut(base, text, which?.except ?? []);
  return handBack(base, runs, { refs: chosen, leases: new Set([text]), uncount: true });
}

async function allBut(base: Base, lease: string, except: readonly FiberRef[]): Promise<readonly FiberRef[]> {
  const kept = new Set(except.map(({ run, fiber }) => `${run}/${fiber}`)); // neither may contain a slash
  const held = (await heldRows(base, { lease })).map(refOf);
  return held.filter(({ run, fiber }) => !kept.has(`${run}/${fiber}`));
}

export async function workersOf(base: Base): Promise<readonly WorkerRecord[]> {
  const [workers, counts] = await Promise.all([
    base.in.workers.find({}, { sort: { _id: 1 } }).toArray(),
    base.in.runs
      .aggregate([{ $match: { lease: { $exists: true } } }, { $group: { _id: "$lease", held: { $sum: 1 } } }])
      .toArray(),
  ]);
  const held = new Map(
    (counts as readonly { readonly _id: string; readonly held: number }[]).map((one) => [one._id, one.held]),
  );
  return (workers as readonly WorkerDocument[]).map(({ _id, epoch, leaseUntil, about }) => ({
    worker: _id as WorkerId,
    epoch,
    leaseUntil,
    held: held.get(`${_id}@${epoch}`) ?? 0,
    about: parsed(about, NOTHING_ELSEWHERE, `about of the worker ${_id}`),
  }));
}
