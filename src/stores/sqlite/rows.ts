import type { Failure } from "../../domain/failure.ts";
import type { FiberKey, Fingerprint, RunId, WorkerId } from "../../domain/ids.ts";
import type { EndStatus, Metadata, OpenWait, ParentRef, RunRecord, RunStatus } from "../../domain/run.ts";
import { NO_CONTEXT } from "../../domain/wire.ts";
import type { LeasedFiber, WorkerRecord } from "../../ports/queue.ts";
import type { ChildResult, EventRecord, FiberRecord, MessageRecord, StoredDefinition } from "../../ports/store.ts";
import type { QueueRules, RateState } from "../../ports/queue-rules.ts";
import type { SqlValue } from "./driver.ts";
import { original, parsed } from "../../ports/stored-text.ts";

/** Decoders of rows: the one place that trusts what the database says about types. */
type Row = Readonly<Record<string, SqlValue>>;

export const numberIn = (row: unknown, column: string): number => (row as Record<string, number>)[column] as number;
export const textIn = (row: unknown, column: string): string => (row as Record<string, string>)[column] as string;
export const numberOrNull = (row: unknown, column: string): number | null =>
  (row as Record<string, number | null>)[column] ?? null;
export const textOrNull = (row: unknown, column: string): string | null =>
  (row as Record<string, string | null>)[column] ?? null;

export const metadataIn = (row: unknown): Metadata => parsed(textIn(row, "metadata"), "runs.metadata") as Metadata;

export function parentIn(found: unknown): ParentRef | undefined {
  const row = found as Row;
  if (row["parent_run"] === null) return undefined;
  return {
    run: row["parent_run"] as RunId,
    fiber: row["parent_fiber"] as FiberKey,
    reply: original(row["reply"] as string),
  };
}

export function runRecord(found: unknown): RunRecord {
  const row = found as Row;
  const id = row["id"] as RunId;
  const at = (column: string): string => `runs.${column} of ${id}`;
  const parent = parentIn(row);
  return {
    id,
    flow: original(row["flow"] as string),
    version: original(row["version"] as string),
    fingerprint: row["fingerprint"] as Fingerprint,
    status: row["status"] as RunStatus,
    input: parsed(row["input"] as string, at("input")),
    ...(row["output"] !== null && { output: parsed(row["output"] as string, at("output")) }),
    ...(row["failure"] !== null && { failure: parsed(row["failure"] as string, at("failure")) as unknown as Failure }),
    metadata: metadataIn(row),
    ...(parent && { parent }),
    ...(row["cancel_reason"] !== null && { cancelReason: original(row["cancel_reason"] as string) }),
    createdAt: row["created_at"] as number,
    ...(row["started_at"] !== null && { startedAt: row["started_at"] as number }),
    ...(row["ended_at"] !== null && { endedAt: row["ended_at"] as number }),
  };
}

export function workerRecord(found: unknown): WorkerRecord {
  const row = found as Row;
  const worker = row["id"] as WorkerId;
  return {
    worker,
    epoch: row["epoch"] as number,
    leaseUntil: row["lease_until"] as number,
    held: row["held"] as number,
    about: parsed(row["about"] as string, `workers.about of ${worker}`),
  };
}

function positionOf(row: Row): FiberRecord["position"] {
  if (row["ended"] !== null) return "ended";
  if (row["owner"] !== null) return "leased";
  return row["wait"] === null ? "ready" : "parked";
}

export function fiberRecord(found: unknown): FiberRecord {
  const row = found as Row;
  const [run, key] = [row["run"] as RunId, row["key"] as FiberKey];
  const at = (column: string): string => `fibers.${column} of ${run}/${key}`;
  const position = positionOf(row);
  const queued = position === "ready" || position === "parked";
  return {
    run,
    key,
    ...(row["parent"] !== null && { parent: row["parent"] as FiberKey }),
    ...(row["fork"] !== null && { fork: row["fork"] as number }),
    ...(row["ordinal"] !== null && { ordinal: row["ordinal"] as number }),
    seq: row["seq"] as number,
    state: parsed(row["state"] as string, at("state")),
    value: parsed(row["value"] as string, at("value")),
    context: parsed(row["context"] as string, at("context")),
    aside: parsed(row["aside"] as string, at("aside")),
    queue: original(row["queue"] as string),
    priority: row["priority"] as number,
    ...(row["lane"] !== null && { lane: original(row["lane"] as string) }),
    position,
    ...(position === "leased" && { owner: { worker: row["owner"] as WorkerId, epoch: row["epoch"] as number } }),
    ...(queued && row["ready_at"] !== null && { readyAt: row["ready_at"] as number }),
    deliveries: row["deliveries"] as number,
    ...(row["wait"] !== null && { wait: parsed(row["wait"] as string, at("wait")) as unknown as OpenWait }),
    ...(row["cancel"] !== null && { cancel: original(row["cancel"] as string) }),
  };
}

/** A leased fiber without anything that would have to be decoded. */
export function bareFiber(found: unknown): Omit<LeasedFiber, "state" | "claimedAt" | "messages"> {
  const row = found as Row;
  return {
    run: row["run"] as RunId,
    key: row["key"] as FiberKey,
    ...(row["parent"] !== null && { parent: row["parent"] as FiberKey }),
    ...(row["fork"] !== null && { fork: row["fork"] as number }),
    ...(row["ordinal"] !== null && { ordinal: row["ordinal"] as number }),
    seq: row["seq"] as number,
    value: null,
    context: NO_CONTEXT,
    aside: null,
    queue: row["queue"] as string,
    priority: row["priority"] as number,
    ...(row["lane"] !== null && { lane: row["lane"] as string }),
    position: "leased",
    owner: { worker: row["owner"] as WorkerId, epoch: row["epoch"] as number },
    deliveries: row["deliveries"] as number,
    fingerprint: row["fingerprint"] as Fingerprint,
    metadata: {},
    ...(row["parent_run"] !== null && {
      parentRun: {
        run: row["parent_run"] as RunId,
        fiber: row["parent_fiber"] as FiberKey,
        reply: row["reply"] as string,
      },
    }),
  };
}

/** Names that a fiber waits for, as they are stored in `waits` and `messages`. */
export function namesIn(row: unknown): readonly string[] {
  const names = (row as Row)["names"];
  return names === null || names === undefined ? [] : (parsed(names as string, "fibers.names") as readonly string[]);
}

export function eventRecord(found: unknown): EventRecord {
  const row = found as Row;
  return {
    seq: row["seq"] as number,
    fiber: row["fiber"] as FiberKey,
    ...(row["worker"] !== null && { worker: row["worker"] as WorkerId }),
    at: row["at"] as number,
    facts: parsed(row["facts"] as string, `events.facts of ${row["seq"] as number}`),
  };
}

export function messageRecord(found: unknown): MessageRecord {
  const row = found as Row;
  return {
    seq: row["seq"] as number,
    run: row["run"] as RunId,
    ...(row["id"] !== null && { id: original(row["id"] as string) }),
    ...(row["once"] !== null && { once: original(row["once"] as string) }),
    name: original(row["name"] as string),
    data: parsed(row["data"] as string, `messages.data of ${row["seq"] as number}`),
    sentAt: row["sent_at"] as number,
  };
}

export function childResult(found: unknown): ChildResult {
  const { ordinal = 0, state, value, context, aside } = fiberRecord(found);
  return { ordinal, outcome: (found as Row)["ended"] as EndStatus, state, value, context, aside };
}

export function storedDefinition(found: unknown): StoredDefinition {
  const row = found as Row;
  const fingerprint = row["fingerprint"] as Fingerprint;
  return {
    fingerprint,
    name: original(row["name"] as string),
    version: original(row["version"] as string),
    described: parsed(row["described"] as string, `definitions.described of ${fingerprint}`),
  };
}

export const queueRulesIn = (row: unknown): QueueRules =>
  parsed(textIn(row, "rules"), "queue_rules.rules") as unknown as QueueRules;

export const rateIn = (row: unknown): RateState =>
  parsed(textIn(row, "rate"), "the claims of a rate") as unknown as RateState;

export const runIdIn = (row: unknown, column: string): RunId => (row as Row)[column] as RunId;
export const fiberKeyIn = (row: unknown, column: string): FiberKey => (row as Row)[column] as FiberKey;
export const workerIdIn = (row: unknown, column: string): WorkerId => (row as Row)[column] as WorkerId;
export const fingerprintIn = (row: unknown, column: string): Fingerprint => (row as Row)[column] as Fingerprint;
