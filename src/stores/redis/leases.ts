import type { WorkerId } from "../../domain/ids.ts";
import type { Wire } from "../../domain/wire.ts";
import type { FiberRef, HeartbeatOutcome, SweepOutcome, Which, WorkerRecord } from "../../ports/queue.ts";
import type { Lease } from "../../ports/store.ts";
import { json, original, parsed } from "../../ports/stored-text.ts";
import { num } from "./encode.ts";
import { listIn, numberIn, refIn, textIn, workerIdIn } from "./rows.ts";
import { type Session, STEP } from "./session.ts";

export interface Announcement {
  readonly worker: WorkerId;
  readonly leaseMs: number;
  /** Absent = as it was. */
  readonly about?: Wire;
  /** Given by another shard. */
  readonly epoch?: number;
}

/** What an earlier epoch of the worker held goes back before it goes on. */
export async function announce(session: Session, { worker, leaseMs, about, epoch }: Announcement): Promise<number> {
  const [said, given] = [about === undefined ? "" : json(about), epoch === undefined ? "" : num(epoch)];
  const { result, more } = await session.write("register", worker, num(leaseMs), said, given);
  if (more) await sweep(session);
  return numberIn(result);
}

export async function workers(session: Session): Promise<readonly WorkerRecord[]> {
  const records = listIn(await session.read("workers")).map((found): WorkerRecord => {
    const [worker, epoch, about, leaseUntil, held] = listIn(found);
    return {
      worker: workerIdIn(worker),
      epoch: numberIn(epoch),
      leaseUntil: numberIn(leaseUntil),
      held: numberIn(held),
      about: parsed(textIn(about), `what the worker ${textIn(worker)} says of itself`),
    };
  });
  return records.sort((a, b) => (a.worker < b.worker ? -1 : 1));
}

export async function heartbeat(
  session: Session,
  { worker, epoch }: Lease,
  { leaseMs, about }: { readonly leaseMs: number; readonly about: Wire | undefined },
): Promise<HeartbeatOutcome> {
  const said = about === undefined ? "" : json(about);
  const answer = await session.read("heartbeat", worker, num(epoch), num(leaseMs), said);
  if (answer === null) return { status: "lost" };
  const [found, expiry, now] = listIn(answer);
  const cancelled = listIn(found).map((one) => {
    const [ref, reason] = listIn(one);
    return { ...refIn(ref), reason: original(textIn(reason)) };
  });
  const nextExpiryMs = expiry === null ? Number.POSITIVE_INFINITY : numberIn(expiry) - numberIn(now);
  return { status: "alive", cancelled, nextExpiryMs };
}

/** Goes on until nothing is left, in bounded steps. What another sweeper takes meanwhile is in its count. */
export async function sweep(session: Session): Promise<SweepOutcome> {
  const swept: WorkerId[] = [];
  let fibers = 0;
  for (;;) {
    const { result, more } = await session.write("sweep");
    const [some, count] = listIn(result);
    swept.push(...listIn(some).map(workerIdIn));
    fibers += numberIn(count);
    if (!more) return { workers: swept, fibers };
  }
}

export async function release(session: Session, lease: Lease, which: Which | undefined): Promise<number> {
  const refs = await chosen(session, lease, which);
  let count = 0;
  for (let at = 0; at < refs.length; at += STEP) {
    const some = refs.slice(at, at + STEP);
    count += numberIn((await session.write("release", lease.worker, num(lease.epoch), ...some)).result);
  }
  return count;
}

async function chosen(
  session: Session,
  { worker, epoch }: Lease,
  which: Which | undefined,
): Promise<readonly string[]> {
  const text = ({ run, fiber }: FiberRef): string => `${run}/${fiber}`;
  if (which !== undefined && "only" in which) return which.only.map(text);
  const held = listIn(await session.read("held", worker, num(epoch))).map(textIn);
  if (which === undefined) return held;
  const kept = new Set(which.except.map(text));
  return held.filter((ref) => !kept.has(ref));
}
