import type { Failure } from "../../domain/failure.ts";
import type { FiberKey, Fingerprint, RunId, WorkerId } from "../../domain/ids.ts";
import type { Metadata, OpenWait, ParentRef, RunRecord, RunStatus } from "../../domain/run.ts";
import { NO_CONTEXT, type Wire } from "../../domain/wire.ts";
import type { LeasedFiber } from "../../ports/queue.ts";
import type { ChildResult, EventRecord, FiberRecord, Lease, MessageRecord } from "../../ports/store.ts";
import { NO_LANE } from "../../ports/queue-rules.ts";
import { original, parsed as parsedText } from "../../ports/stored-text.ts";
import type { FiberData, FiberFields, Happening, Letter, RunDocument } from "./documents.ts";

/** Decoders: the one place that trusts what the database says about types. */

/** Texts that stand elsewhere, by their marks. */
export type Whole = ReadonlyMap<string, string>;

/** A text that may be kept elsewhere, whole. */
export const parsed = (text: string | undefined, whole: Whole, where: string): Wire =>
  parsedText(text === undefined ? "null" : (whole.get(text) ?? text), where);

export const metadataOf = ({ meta }: Pick<RunDocument, "meta">): Metadata =>
  Object.fromEntries(meta.map(({ k, v }) => [original(k), typeof v === "string" ? original(v) : v]));

export const callerOf = ({ caller }: Pick<RunDocument, "caller">): ParentRef | undefined =>
  caller && { run: caller.run as RunId, fiber: caller.fiber as FiberKey, reply: original(caller.reply) };

export const textsOfRun = ({ input, output, failure }: RunDocument): readonly (string | undefined)[] => [
  input,
  output,
  failure,
];

export function runRecord(found: RunDocument, status: RunStatus, whole: Whole): RunRecord {
  const { _id: id, output, failure, cancelReason, startedAt, endedAt } = found;
  const parent = callerOf(found);
  const at = (field: string): string => `${field} of the run ${id}`;
  return {
    id: id as RunId,
    flow: original(found.flow),
    version: original(found.version),
    fingerprint: found.fingerprint as Fingerprint,
    status,
    input: parsed(found.input, whole, at("input")),
    ...(output !== undefined && { output: parsed(output, whole, at("output")) }),
    ...(failure !== undefined && { failure: parsed(failure, whole, at("failure")) as unknown as Failure }),
    metadata: metadataOf(found),
    ...(parent && { parent }),
    ...(cancelReason !== undefined && { cancelReason: original(cancelReason) }),
    createdAt: found.createdAt,
    ...(startedAt !== undefined && { startedAt }),
    ...(endedAt !== undefined && { endedAt }),
  };
}

export function leaseIn(text: string): Lease {
  const at = text.lastIndexOf("@");
  return { worker: text.slice(0, at) as WorkerId, epoch: Number(text.slice(at + 1)) };
}

function positionOf({ ended, lease, wait }: FiberFields): FiberRecord["position"] {
  if (ended !== undefined) return "ended";
  if (lease !== undefined) return "leased";
  return wait === undefined ? "ready" : "parked";
}

export type FoundFiber = FiberFields & FiberData;

export const textsOfFiber = ({ state, value, context, aside, wait }: FoundFiber): readonly (string | undefined)[] => [
  state,
  value,
  context,
  aside,
  wait,
];

/** Everything of a fiber that needs no decoding. */
function bareRecord(
  run: string,
  found: FoundFiber,
): Omit<FiberRecord, "state" | "value" | "context" | "aside" | "wait"> {
  const {
    key,
    parent,
    fork,
    ordinal,
    lane,
    due,
    lease,
    cancel,
    seq = 0,
    priority = 0,
    deliveries = 0,
    queue = "",
  } = found;
  return {
    run: run as RunId,
    key: key as FiberKey,
    ...(parent !== undefined && { parent: parent as FiberKey }),
    ...(fork !== undefined && { fork }),
    ...(ordinal !== undefined && { ordinal }),
    seq,
    queue: original(queue),
    priority,
    ...(lane !== undefined && lane !== NO_LANE && { lane: original(lane) }),
    position: positionOf(found),
    ...(lease !== undefined && { owner: leaseIn(lease) }),
    ...(due !== undefined && { readyAt: due }),
    deliveries,
    ...(cancel !== undefined && { cancel: original(cancel) }),
  };
}

export function fiberRecord(run: string, found: FoundFiber, whole: Whole): FiberRecord {
  const at = (field: string): string => `${field} of the fiber ${run}/${found.key}`;
  return {
    ...bareRecord(run, found),
    state: parsed(found.state, whole, at("state")),
    value: parsed(found.value, whole, at("value")),
    context: parsed(found.context, whole, at("context")),
    aside: parsed(found.aside, whole, at("aside")),
    ...(found.wait !== undefined && { wait: parsed(found.wait, whole, at("wait")) as unknown as OpenWait }),
  };
}

/** A leased fiber without anything that would have to be decoded. */
export const bareFiber = (
  run: RunDocument,
  found: FoundFiber,
  claimedAt: number,
): Omit<LeasedFiber, "state" | "messages"> => {
  const parentRun = callerOf(run);
  return {
    ...bareRecord(run._id, found),
    value: null,
    context: NO_CONTEXT,
    aside: null,
    fingerprint: run.fingerprint as Fingerprint,
    metadata: {},
    ...(parentRun && { parentRun }),
    claimedAt,
  };
};

export const childResult = (run: string, found: FoundFiber, whole: Whole): ChildResult => {
  const { ordinal = 0, state, value, context, aside } = fiberRecord(run, found, whole);
  return { ordinal, outcome: found.ended ?? "completed", state, value, context, aside };
};

export const eventRecord = ({ n, fiber, worker, at, facts }: Happening, whole: Whole): EventRecord => ({
  seq: n,
  fiber: fiber as FiberKey,
  ...(worker !== undefined && { worker: worker as WorkerId }),
  at,
  facts: parsed(facts, whole, `the facts of event ${n}`),
});

export const messageRecord = (
  run: string,
  n: number,
  { id, once, name, data, sentAt }: Letter,
  whole: Whole,
): MessageRecord => ({
  seq: n,
  run: run as RunId,
  ...(id !== undefined && { id: original(id) }),
  ...(once !== undefined && { once: original(once) }),
  name: original(name),
  data: parsed(data, whole, `the message ${n} of ${run}`),
  sentAt,
});
