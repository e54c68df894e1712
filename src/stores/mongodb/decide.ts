import { FlujoError } from "../../domain/errors.ts";
import type { FiberKey } from "../../domain/ids.ts";

import type { CommitOutcome, NewFiber, Position, Transition } from "../../ports/store.ts";
import { NO_LANE } from "../../ports/queue-rules.ts";
import { unsendable } from "../../ports/new-message.ts";
import { original, storable } from "../../ports/stored-text.ts";
import { encodeTransition, type Encoded } from "./encode.ts";
import { type Image, type Row, WITHOUT_ROOT } from "./image.ts";
import { letterOf, post } from "./mailbox.ts";
import { requestCancel, requestCancelOfRun } from "./cancel.ts";
import { stagedChild } from "./children.ts";

/** What decisions need besides the run. */
export interface Deciding {
  readonly now: number;
  readonly unique: () => string;
  /** Queues with rules: nothing is born or moved into them leased. */
  readonly governed: ReadonlySet<string>;
}

const COMMITTED: CommitOutcome = Object.freeze({ status: "committed", woken: false });
const LOST: CommitOutcome = Object.freeze({ status: "lost" });
const CONFLICT: CommitOutcome = Object.freeze({ status: "conflict" });

export const leaseText = ({ worker, epoch }: Transition["lease"]): string => `${worker}@${epoch}`;

/**
 * One transition on an image, all or nothing: everything that can refuse it is asked before the first change. Effects on other
 * runs go into the image's outgoing list.
 */
export function decide(image: Image | undefined, t: Transition, by: Deciding): CommitOutcome {
  const row = image?.rows.get(t.fiber);
  if (image === undefined || image.ended || row === undefined) return LOST;
  if (row.fields.lease !== leaseText(t.lease) || row.fields.seq !== t.expectedSeq) return LOST; // I2
  if (!t.consume.every((n) => image.box.has(n))) return CONFLICT;
  const unless = t.unless?.map(storable);
  if (unless !== undefined && [...image.box.values()].some(({ name }) => unless.includes(name))) return CONFLICT;
  let encoded: Encoded;
  try {
    for (const message of t.send) {
      const error = unsendable(message);
      if (error !== undefined) throw error;
    }
    encoded = encodeTransition(t);
  } catch (error) {
    return rejected(t, error);
  }
  const queued: FiberKey[] = [];
  for (const n of t.consume) image.unpost(n);
  writeFiber(image, row, { t, encoded, by, queued });
  applyEffects(image, row, { t, encoded, by, queued });
  if (t.endRun !== undefined) {
    endRun(image, t, encoded);
    return COMMITTED;
  }
  return outcomeOf(row, t, by.now, queued);
}

interface Doing {
  readonly t: Transition;
  readonly encoded: Encoded;
  readonly by: Deciding;
  readonly queued: FiberKey[];
}

function writeFiber(image: Image, row: Row, { t, encoded, by, queued }: Doing): void {
  const { state, value, context, aside } = encoded.data(image);
  image.size += state.length + (value?.length ?? 0) + (context?.length ?? 0) + (aside?.length ?? 0);
  row.write({
    seq: t.expectedSeq + 1,
    deliveries: 0,
    state,
    ...(value !== undefined && { value }),
    ...(context !== undefined && { context }),
    ...(aside !== undefined && { aside }),
    ...(t.acknowledgeCancel === true && { cancel: undefined }),
  });
  if (t.scheduling !== undefined) {
    const { queue, priority, lane } = t.scheduling;
    row.write({ queue: storable(queue), priority, lane: storable(lane ?? NO_LANE) });
  }
  const { position } = t;
  const parks = position.kind === "parked";
  if (parks || row.fields.names !== undefined || row.fields.wait !== undefined) {
    row.write({
      names: parks && position.names.length > 0 && t.wait !== undefined ? position.names.map(storable) : undefined,
      wait: parks ? encoded.wait(image) : undefined,
      waitKind: parks ? t.wait?.kind : undefined,
    });
  }
  if (position.kind !== "held") leave(image, row, position, by.now);
  else if (t.scheduling !== undefined && by.governed.has(row.fields.queue ?? "")) {
    leave(image, row, { kind: "ready", at: by.now }, by.now);
    queued.push(t.fiber);
  }
}

function leave(image: Image, row: Row, position: Position, now: number): void {
  const { cancel } = row.fields;
  switch (position.kind) {
    case "held":
      return;
    case "ended":
      row.write({ lease: undefined, due: undefined, cancel: undefined, ended: position.outcome });
      return;
    case "ready":
      row.write({ lease: undefined, due: cancel === undefined ? position.at : Math.min(position.at, now) });
      return;
    case "parked": {
      const names = position.names.map(storable);
      const heard = [...image.box.values()].some(({ name }) => names.includes(name)); // I5
      row.write({ lease: undefined, due: cancel !== undefined || heard ? now : position.until });
      return;
    }
  }
}

function applyEffects(image: Image, row: Row, doing: Doing): void {
  const { t, encoded, by } = doing;
  if (t.event !== undefined) {
    image.add({ fiber: t.fiber, worker: t.lease.worker, at: t.event.at, facts: encoded.facts(image) });
  }
  image.blobs.push(...t.blobs);
  for (const [i, fiber] of t.spawn.entries()) spawn(image, fiber, { ...doing, at: i });
  for (const [i, run] of t.startRuns.entries()) {
    image.outgoing.push({ tag: image.nextTag(), kind: "start", to: run.id, run: encoded.started(image, i) });
  }
  for (const [i, message] of t.send.entries()) {
    if (message.run === image.id) {
      image.blobs.push(...(message.blobs ?? []));
      post(image, letterOf(image, message, encoded.sent(i)), by.now);
    } else {
      image.blobs.push(...(message.blobs ?? []));
      image.outgoing.push({
        tag: image.nextTag(),
        kind: "send",
        to: message.run,
        letter: letterOf(image, message, encoded.sent(i)),
      });
    }
  }
  if (t.cancelFork !== undefined) cancelFork(image, row, t.cancelFork, by.now);
  for (const { run, reason } of t.cancelRuns) {
    if (run === image.id) requestCancelOfRun(image, storable(reason), by.now);
    else image.outgoing.push({ tag: image.nextTag(), kind: "cancel", to: run, reason: storable(reason) });
  }
  if (t.dropFork !== undefined) dropFork(image, row, t.dropFork);
}

/** A key that exists is left alone. */
function spawn(image: Image, fiber: NewFiber, { t, encoded, by, queued, at }: Doing & { readonly at: number }): void {
  if (image.rows.has(fiber.key)) return;
  const queues = fiber.leased && by.governed.has(storable(fiber.queue));
  const born = queues ? { ...fiber, leased: false, readyAt: by.now } : fiber;
  stagedChild(image, born, { data: encoded.spawned(image, at), lease: t.lease, unique: by.unique });
  if (queues) queued.push(fiber.key);
}

/** Children outside the image are reached by the redo, those inside at once. */
function cancelFork(
  image: Image,
  parent: Row,
  { fork, reason }: { readonly fork: number; readonly reason: string },
  now: number,
): void {
  image.redo.push({ op: "cancel", parent: parent.key, fork, reason: storable(reason), now });
  for (const child of image.rows.values()) {
    if (child.fields.parent === parent.key && child.fields.fork === fork) requestCancel(child, storable(reason), now);
  }
}

function dropFork(image: Image, parent: Row, fork: number): void {
  image.redo.push({ op: "drop", parent: parent.key, fork });
  for (const child of [...image.rows.values()]) {
    const { parent: above, fork: of, ended } = child.fields;
    if (above !== parent.key || of !== fork || ended === undefined) continue;
    image.redo.push({ op: "delete", id: child.id });
    image.rows.delete(child.key);
  }
}

function endRun(image: Image, { endRun: end }: Transition, encoded: Encoded): void {
  if (end === undefined) return;
  if (image.fields.kids === true || image.staged.length > 0) image.redo.push({ op: "end" });
  image.rows.clear();
  for (const [field, value] of Object.entries(WITHOUT_ROOT)) image.changes.set(field, value);
  for (const [n, { id }] of [...image.box]) if (id === undefined) image.unpost(n); // whoever sent the others was told that they arrived
  image.write({ status: end.status, endedAt: end.at, ...encoded.end(image) });
}

function outcomeOf(
  { fields: { lease, wait, due, cancel } }: Row,
  { position }: Transition,
  now: number,
  queued: readonly FiberKey[],
): CommitOutcome {
  const woken =
    lease === undefined && position.kind === "parked" && wait !== undefined && due !== undefined && due <= now;
  if (!woken && cancel === undefined && queued.length === 0) return COMMITTED;
  return {
    status: "committed",
    woken,
    ...(cancel !== undefined && { cancel: original(cancel) }),
    ...(queued.length > 0 && { queued }),
  };
}

export function rejected({ run, fiber }: Transition, cause: unknown): CommitOutcome {
  if (cause instanceof FlujoError) return { status: "rejected", error: cause };
  const said = cause instanceof Error ? cause.message : String(cause);
  const error = new FlujoError("VALUE_NOT_SERIALIZABLE", `cannot store the transition of ${run}/${fiber}: ${said}`, {
    cause,
  });
  return { status: "rejected", error };
}
