import type { Failure } from "../../domain/failure.ts";
import type { FiberKey, Fingerprint, RunId, WorkerId } from "../../domain/ids.ts";
import type { EndStatus, Metadata, OpenWait, ParentRef, RunRecord, RunStatus } from "../../domain/run.ts";
import { NO_CONTEXT, type Wire } from "../../domain/wire.ts";
import type { LeasedFiber, WorkerRecord } from "../../ports/queue.ts";
import type { ScheduleRecord } from "../../ports/schedule.ts";
import type { ChildResult, EventRecord, FiberRecord, MessageRecord, StoredDefinition } from "../../ports/store.ts";
import { original, parsed } from "../../ports/stored-text.ts";
import type { Row } from "./driver.ts";

/*
 * Decoders of rows: the one place that trusts what the database says about types. Numbers may come as text (int8), or as whatever
 * the parsers of a pool that is not ours make of them.
 */

export const numberIn = (row: Row, column: string): number => Number(row[column]);
export const textIn = (row: Row, column: string): string => row[column] as string;
export const booleanIn = (row: Row, column: string): boolean => row[column] === true;
export const textOrNull = (row: Row, column: string): string | null => (row[column] ?? null) as string | null;
export const isNull = (row: Row, column: string): boolean => row[column] === null || row[column] === undefined;
export const textsIn = (row: Row, column: string): readonly string[] => (row[column] ?? []) as readonly string[];
export const runIdIn = (row: Row, column: string): RunId => row[column] as RunId;
export const fiberKeyIn = (row: Row, column: string): FiberKey => row[column] as FiberKey;
export const workerIdIn = (row: Row, column: string): WorkerId => row[column] as WorkerId;

function parentIn(row: Row): ParentRef | undefined {
  if (isNull(row, "parent_run")) return undefined;
  return {
    run: runIdIn(row, "parent_run"),
    fiber: fiberKeyIn(row, "parent_fiber"),
    reply: original(textIn(row, "reply")),
  };
}

export function runRecord(row: Row): RunRecord {
  const id = runIdIn(row, "id");
  const json = (column: string): Wire => parsed(textIn(row, column), `runs.${column} of ${id}`);
  const parent = parentIn(row);
  return {
    id,
    flow: original(textIn(row, "flow")),
    version: original(textIn(row, "version")),
    fingerprint: row["fingerprint"] as Fingerprint,
    status: row["status"] as RunStatus,
    input: json("input"),
    ...(!isNull(row, "output") && { output: json("output") }),
    ...(!isNull(row, "failure") && { failure: json("failure") as unknown as Failure }),
    metadata: json("metadata") as Metadata,
    ...(parent && { parent }),
    ...(!isNull(row, "cancel_reason") && { cancelReason: original(textIn(row, "cancel_reason")) }),
    createdAt: numberIn(row, "created_at"),
    ...(!isNull(row, "started_at") && { startedAt: numberIn(row, "started_at") }),
    ...(!isNull(row, "ended_at") && { endedAt: numberIn(row, "ended_at") }),
  };
}

function positionOf(row: Row): FiberRecord["position"] {
  if (!isNull(row, "ended")) return "ended";
  if (!isNull(row, "owner")) return "leased";
  return isNull(row, "wait") ? "ready" : "parked";
}

/** What can be said of a fiber without decoding anything. */
function bareFiber(row: Row): Omit<FiberRecord, "state" | "value" | "context" | "aside" | "wait" | "cancel"> {
  const position = positionOf(row);
  const queued = position === "ready" || position === "parked";
  const lane = original(textIn(row, "lane"));
  return {
    run: runIdIn(row, "run"),
    key: fiberKeyIn(row, "key"),
    ...(!isNull(row, "parent") && { parent: fiberKeyIn(row, "parent") }),
    ...(!isNull(row, "fork") && { fork: numberIn(row, "fork") }),
    ...(!isNull(row, "ordinal") && { ordinal: numberIn(row, "ordinal") }),
    seq: numberIn(row, "seq"),
    queue: original(textIn(row, "queue")),
    priority: numberIn(row, "priority"),
    ...(lane !== "" && { lane }),
    position,
    ...(position === "leased" && { owner: { worker: workerIdIn(row, "owner"), epoch: numberIn(row, "epoch") } }),
    ...(queued && !isNull(row, "ready_at") && { readyAt: numberIn(row, "ready_at") }),
    deliveries: numberIn(row, "deliveries"),
  };
}

export function fiberRecord(row: Row): FiberRecord {
  const bare = bareFiber(row);
  const json = (column: string): Wire => parsed(textIn(row, column), `fibers.${column} of ${bare.run}/${bare.key}`);
  return {
    ...bare,
    state: json("state"),
    value: json("value"),
    context: json("context"),
    aside: json("aside"),
    ...(!isNull(row, "wait") && { wait: json("wait") as unknown as OpenWait }),
    ...(!isNull(row, "cancel") && { cancel: original(textIn(row, "cancel")) }),
  };
}

/** A claimed row joined with its run, and with its messages. Throws RECORD_UNDECODABLE. */
export function leasedFiber(row: Row): LeasedFiber {
  const parentRun = parentIn(row);
  return {
    ...fiberRecord(row),
    fingerprint: row["fingerprint"] as Fingerprint,
    metadata: parsed(textIn(row, "metadata"), "runs.metadata") as Metadata,
    ...(parentRun && { parentRun }),
    claimedAt: numberIn(row, "claimed_at"),
    messages: mailIn(row),
  };
}

/** The same without anything that would have to be decoded: for its worker to condemn. */
export function unreadableFiber(row: Row, state: Wire): LeasedFiber {
  const parentRun = parentIn(row);
  return {
    ...bareFiber(row),
    state,
    value: null,
    context: NO_CONTEXT,
    aside: null,
    fingerprint: row["fingerprint"] as Fingerprint,
    metadata: {},
    ...(parentRun && { parentRun }),
    claimedAt: numberIn(row, "claimed_at"),
    messages: [],
  };
}

export function eventRecord(row: Row): EventRecord {
  return {
    seq: numberIn(row, "seq"),
    fiber: fiberKeyIn(row, "fiber"),
    ...(!isNull(row, "worker") && { worker: workerIdIn(row, "worker") }),
    at: numberIn(row, "at"),
    facts: parsed(textIn(row, "facts"), `events.facts of ${String(row["seq"])}`),
  };
}

export function messageRecord(row: Row): MessageRecord {
  const mark = textOrNull(row, "mark");
  return {
    seq: numberIn(row, "seq"),
    run: runIdIn(row, "run"),
    ...(mark?.startsWith("i") === true && { id: original(mark.slice(1)) }),
    ...(mark?.startsWith("o") === true && { once: original(mark.slice(1)) }),
    name: original(textIn(row, "name")),
    data: parsed(textIn(row, "data"), `messages.data of ${String(row["seq"])}`),
    sentAt: numberIn(row, "sent_at"),
  };
}

/** Messages that a claim brought along: the server makes a list of lists of it, so that they fit into the row of their fiber. */
function mailIn(row: Row): readonly MessageRecord[] {
  if (isNull(row, "mail")) return [];
  const mail = JSON.parse(textIn(row, "mail")) as readonly (readonly unknown[])[];
  return mail.map(([seq, mark, name, sent_at, data]) =>
    messageRecord({ run: row["run"], seq, mark, name, sent_at, data }),
  );
}

export function childResult(row: Row): ChildResult {
  const { ordinal = 0, state, value, context, aside } = fiberRecord(row);
  return { ordinal, outcome: row["ended"] as EndStatus, state, value, context, aside };
}

export function storedDefinition(row: Row): StoredDefinition {
  const fingerprint = row["fingerprint"] as Fingerprint;
  return {
    fingerprint,
    name: original(textIn(row, "name")),
    version: original(textIn(row, "version")),
    described: parsed(textIn(row, "described"), `definitions.described of ${fingerprint}`),
  };
}

export function workerRecord(row: Row): WorkerRecord {
  const worker = workerIdIn(row, "id");
  return {
    worker,
    epoch: numberIn(row, "epoch"),
    leaseUntil: numberIn(row, "lease_until"),
    held: numberIn(row, "held"),
    about: parsed(textIn(row, "about"), `workers.about of ${worker}`),
  };
}

export function scheduleRecord(row: Row): ScheduleRecord {
  const id = textIn(row, "id");
  return {
    id,
    spec: parsed(textIn(row, "spec"), `schedules.spec of ${id}`),
    ...(!isNull(row, "next_at") && { nextAt: numberIn(row, "next_at") }),
    ...(!isNull(row, "last_at") && { lastAt: numberIn(row, "last_at") }),
    ...(!isNull(row, "last_run") && { lastRun: runIdIn(row, "last_run") }),
  };
}
