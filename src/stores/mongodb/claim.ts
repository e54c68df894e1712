import { FlujoError } from "../../domain/errors.ts";
import type { FiberKey, RunId } from "../../domain/ids.ts";
import { mergeOffers } from "../../ports/queue-rules.ts";
import type { ClaimRequest, LeasedFiber } from "../../ports/queue.ts";
import { storable } from "../../ports/stored-text.ts";
import { undecodable } from "../../ports/undecodable.ts";
import type { Base } from "./base.ts";
import { type Candidate, CANDIDATE, dueFilter } from "./candidates.ts";
import type { ChildDocument, RunDocument } from "./documents.ts";
import { grant, nextDueOf, type Offer, offerOf, settle } from "./governed.ts";
import type { Image } from "./image.ts";
import { queueDocuments } from "./queues.ts";
import { letters } from "./reading.ts";
import { bareFiber, callerOf, fiberRecord, type FoundFiber, metadataOf, textsOfFiber } from "./rows.ts";
import type { Runs } from "./runs.ts";
import { wholeTexts } from "./texts.ts";
import { currentLeases, release } from "./workers.ts";

/*
 * Claim reads the index of ready rows, best first, leases what it found run by run, and looks again while others were faster.
 * MongoDB has no "skip what is locked": of several workers that look at once each finds the same rows, and those of one run go to
 * one of them. Claims of one process wait for each other.
 */

/** Looking again costs two round trips; whoever lost so often comes back with his next poll. */
const MAX_LOOKS = 20;

interface Claiming {
  readonly request: ClaimRequest;
  readonly lease: string;
  readonly now: number;
}

/** A leased row, and the run as it was when it was leased. */
interface Taken {
  readonly candidate: Candidate;
  readonly image: Image;
}

export async function claim(base: Base, runs: Runs, request: ClaimRequest): Promise<readonly LeasedFiber[]> {
  const { worker, epoch, limit } = request;
  if (limit <= 0 || request.queues.length === 0 || request.fingerprints.length === 0) return [];
  const lease = `${worker}@${epoch}`;
  if (!(await currentLeases(base, [{ worker, epoch }])).has(lease)) return [];
  const claimed: LeasedFiber[] = [];
  for (let looks = 0; looks < MAX_LOOKS && claimed.length < limit; looks++) {
    const claiming = { request: { ...request, limit: limit - claimed.length }, lease, now: base.now() };
    const { found, taken } = await lookOnce(base, runs, claiming);
    claimed.push(...(await fibersTaken(base, taken, claiming)));
    if (found === taken.length) break; // what is left, others do not contend for
  }
  return claimed;
}

async function lookOnce(
  base: Base,
  runs: Runs,
  claiming: Claiming,
): Promise<{ readonly found: number; readonly taken: readonly Taken[] }> {
  const { request, lease, now } = claiming;
  const queues = [...new Set(request.queues)].map(storable);
  const governed = await queueDocuments(base, queues);
  const names = new Set(governed.map(({ _id }) => _id));
  const wanted = { fingerprints: request.fingerprints, now, limit: request.limit, lease };
  const [free, ...offers] = await Promise.all([
    freeRows(
      base,
      queues.filter((queue) => !names.has(queue)),
      claiming,
    ),
    ...governed.map(async (queue) => offerOf(base, queue, wanted)),
  ]);
  const inOrder = [free, ...offers.map(({ stopping, working }) => [...stopping, ...working])];
  const chosen = mergeOffers(
    inOrder.map((rows) => rows.map(withReadyAt)),
    request.limit,
  );
  const token = base.unique();
  const granted: Offer[] = [];
  let rows = chosen;
  for (const offer of offers) {
    const own = rows.filter(({ queue }) => queue === offer.queue._id);
    if (own.length === 0) continue;
    if (await grant(base, offer, own, { token, lease, now })) granted.push(offer);
    else rows = rows.filter(({ queue }) => queue !== offer.queue._id);
  }
  const taken = await takeRows(base, runs, rows, claiming);
  const kept = await settleAll(base, runs, { granted, token, taken, claiming });
  return { found: chosen.length, taken: kept };
}

const withReadyAt = (row: Candidate): Candidate => ({ ...row, readyAt: row.due });

async function freeRows(
  base: Base,
  queues: readonly string[],
  { request, now }: Claiming,
): Promise<readonly Candidate[]> {
  if (queues.length === 0) return [];
  const found = base.in.runs.find(dueFilter(queues, request.fingerprints, now), {
    projection: CANDIDATE,
    sort: { priority: -1, due: 1 },
    limit: request.limit,
  });
  return (await found.toArray()) as readonly Candidate[];
}

const runOf = ({ _id, run }: Candidate): string => run ?? _id;

/** Leases rows, all of one run in one write. */
async function takeRows(
  base: Base,
  runs: Runs,
  rows: readonly Candidate[],
  { lease, now, request }: Claiming,
): Promise<readonly Taken[]> {
  const byRun = new Map<string, Candidate[]>();
  for (const row of rows) byRun.set(runOf(row), [...(byRun.get(runOf(row)) ?? []), row]);
  const images = new Map<string, Image>();
  const taken = await runs.change<readonly Candidate[]>({
    runs: [...byRun.keys()],
    needs: ({ id }) => ({ keys: (byRun.get(id) ?? []).map(({ key }) => key) }),
    keep: () => true,
    decide: (image, run) => {
      if (image === undefined) return [];
      images.set(run, image);
      return (byRun.get(run) ?? []).filter((candidate) => take(image, candidate, { lease, now, request }));
    },
  });
  const strays = [...byRun].flatMap(([run, all]) =>
    images.has(run) ? [] : all.filter(({ run: of }) => of !== undefined),
  );
  if (strays.length > 0) await base.in.runs.deleteMany({ _id: { $in: strays.map(({ _id }) => _id) } }); // of a run that is no more
  const wonBy = new Map(
    [...taken].flatMap(([run, won]) => won.map((candidate) => [candidate._id, images.get(run)] as const)),
  );
  return rows.flatMap((candidate) => {
    const image = wonBy.get(candidate._id);
    return image === undefined ? [] : [{ candidate, image }];
  });
}

function take(image: Image, { key, queue }: Candidate, { lease, now }: Claiming): boolean {
  const row = image.rows.get(key);
  if (row === undefined || row.fields.lease !== undefined || row.fields.ended !== undefined) return false;
  if (row.fields.due === undefined || row.fields.due > now || row.fields.queue !== queue) return false;
  row.write({ lease, due: undefined, deliveries: (row.fields.deliveries ?? 0) + 1 });
  if (image.fields.status === "pending") image.write({ status: "running", startedAt: now });
  return true;
}

interface Settling {
  readonly granted: readonly Offer[];
  readonly token: string;
  readonly taken: readonly Taken[];
  readonly claiming: Claiming;
}

/** Takes the grants out. Rows of a grant that was taken away go back: others have their places. */
async function settleAll(
  base: Base,
  runs: Runs,
  { granted, token, taken, claiming }: Settling,
): Promise<readonly Taken[]> {
  let kept = taken;
  for (const offer of granted) {
    if (await settle(base, offer, token)) continue;
    const { worker, epoch } = claiming.request;
    const lost = kept.filter(({ candidate }) => candidate.queue === offer.queue._id);
    kept = kept.filter(({ candidate }) => candidate.queue !== offer.queue._id);
    const only = lost.map(({ candidate, image }) => ({ run: image.id as RunId, fiber: candidate.key as FiberKey }));
    await release(base, runs, { worker, epoch }, { only });
  }
  return kept;
}

/** Everything needed to go on with what was leased. */
async function fibersTaken(base: Base, taken: readonly Taken[], { now }: Claiming): Promise<readonly LeasedFiber[]> {
  if (taken.length === 0) return [];
  const ids = [...new Set(taken.flatMap(({ candidate, image }) => [candidate._id, image.id]))];
  const found = (await base.in.runs.find({ _id: { $in: ids } }).toArray()) as readonly (RunDocument & ChildDocument)[];
  const byId = new Map(found.map((document) => [document._id, document]));
  const fibers: LeasedFiber[] = [];
  for (const { candidate, image } of taken) {
    const run = byId.get(image.id);
    const row = byId.get(candidate._id);
    if (run !== undefined && row !== undefined) fibers.push(await leasedFiber(base, { run, row, image, now }));
  }
  return fibers;
}

interface Leased {
  readonly run: RunDocument;
  readonly row: FoundFiber;
  readonly image: Image;
  readonly now: number;
}

/** What cannot be decoded is handed out, too, for its worker to condemn, and holds up nobody else. */
async function leasedFiber(base: Base, { run, row, image, now }: Leased): Promise<LeasedFiber> {
  try {
    const names = new Set(row.names);
    const box = new Map(names.size === 0 ? [] : [...image.box].filter(([, { name }]) => names.has(name)));
    const parentRun = callerOf(run);
    return {
      ...fiberRecord(run._id, row, await wholeTexts(base, textsOfFiber(row))),
      ...bareParts(run, row, now),
      metadata: metadataOf(run),
      ...(parentRun && { parentRun }),
      messages: await letters(base, run._id, box),
    };
  } catch (error) {
    if (!(error instanceof FlujoError) || error.code !== "RECORD_UNDECODABLE") throw error;
    return { ...bareFiber(run, row, now), state: undecodable(error.message), messages: [] };
  }
}

const bareParts = (run: RunDocument, row: FoundFiber, now: number): Pick<LeasedFiber, "fingerprint" | "claimedAt"> => {
  const { fingerprint, claimedAt } = bareFiber(run, row, now);
  return { fingerprint, claimedAt };
};

/** The earliest time at which a worker could claim something. */
export async function nextDue(
  base: Base,
  { queues, fingerprints }: Pick<ClaimRequest, "queues" | "fingerprints">,
): Promise<number | undefined> {
  if (queues.length === 0 || fingerprints.length === 0) return undefined;
  const names = [...new Set(queues)].map(storable);
  const now = base.now();
  const governed = await queueDocuments(base, names);
  const known = new Set(governed.map(({ _id }) => _id));
  const free = names.filter((queue) => !known.has(queue));
  const [rows, ...others] = await Promise.all([
    firstDue(base, free, fingerprints),
    ...governed.map(async (queue) => nextDueOf(base, queue, { fingerprints, now, limit: 1, lease: "" })),
  ]);
  const times = [rows, ...others].filter((at) => at !== undefined);
  return times.length === 0 ? undefined : Math.min(...times);
}

async function firstDue(
  base: Base,
  queues: readonly string[],
  fingerprints: readonly string[],
): Promise<number | undefined> {
  if (queues.length === 0) return undefined;
  const filter = { queue: { $in: queues }, fp: { $in: fingerprints }, due: { $exists: true } };
  const [first] = (await base.in.runs
    .find(filter, { projection: { due: 1 }, sort: { due: 1 }, limit: 1 })
    .toArray()) as readonly { readonly due: number }[];
  return first?.due;
}
