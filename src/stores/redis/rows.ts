import { FlujoError } from "../../domain/errors.ts";
import type { Failure } from "../../domain/failure.ts";
import type { FiberKey, Fingerprint, RunId, WorkerId } from "../../domain/ids.ts";
import type { EndStatus, Metadata, OpenWait, ParentRef, RunRecord, RunStatus } from "../../domain/run.ts";
import { NO_CONTEXT } from "../../domain/wire.ts";
import type { FiberRef, LeasedFiber } from "../../ports/queue.ts";
import type { ChildResult, EventRecord, FiberRecord, MessageRecord, StoredDefinition } from "../../ports/store.ts";
import { original, parsed } from "../../ports/stored-text.ts";
import { undecodable } from "../../ports/undecodable.ts";

/** Decoders of answers: the one place that trusts what the server says about types. */
export type Row = Readonly<Record<string, string>>;

export const listIn = (answer: unknown): readonly unknown[] => (answer ?? []) as readonly unknown[];
export const textIn = (answer: unknown): string => answer as string;
export const textOrNull = (answer: unknown): string | null => (answer ?? null) as string | null;
export const numberIn = (answer: unknown): number => Number(answer);
export const runIdIn = (answer: unknown): RunId => answer as RunId;
export const workerIdIn = (answer: unknown): WorkerId => answer as WorkerId;

/** Pairs of a hash as a record. */
export function rowOf(pairs: unknown): Row {
  const row: Record<string, string> = {};
  const flat = pairs as readonly string[];
  for (let i = 0; i + 1 < flat.length; i += 2) row[flat[i] as string] = flat[i + 1] as string;
  return row;
}

export function refIn(ref: unknown): FiberRef {
  const text = ref as string;
  const slash = text.lastIndexOf("/");
  return { run: text.slice(0, slash) as RunId, fiber: text.slice(slash + 1) as FiberKey };
}

/** From { id, status, fields }. */
export function runRecord(answer: unknown): RunRecord {
  const [id, status, pairs] = answer as readonly [RunId, RunStatus, unknown];
  const row = rowOf(pairs);
  const at = (field: string): string => `${field} of the run ${id}`;
  return {
    id,
    flow: original(row["flow"] ?? ""),
    version: original(row["ver"] ?? ""),
    fingerprint: row["fp"] as Fingerprint,
    status,
    input: parsed(row["input"], at("input")),
    ...(row["out"] !== undefined && { output: parsed(row["out"], at("output")) }),
    ...(row["fail"] !== undefined && { failure: parsed(row["fail"], at("failure")) as unknown as Failure }),
    metadata: parsed(row["meta"], at("metadata")) as Metadata,
    ...(row["pr"] !== undefined && { parent: parentRef(row["pr"], row["pf"], row["reply"]) }),
    ...(row["cr"] !== undefined && { cancelReason: original(row["cr"]) }),
    createdAt: Number(row["created"]),
    ...(row["started"] !== undefined && { startedAt: Number(row["started"]) }),
    ...(row["ended"] !== undefined && { endedAt: Number(row["ended"]) }),
  };
}

const parentRef = (run: string, fiber: string | undefined, reply: string | undefined): ParentRef => ({
  run: run as RunId,
  fiber: fiber as FiberKey,
  reply: original(reply ?? ""),
});

function positionOf(row: Row): FiberRecord["position"] {
  if (row["E"] !== undefined) return "ended";
  if (row["w"] !== undefined) return "leased";
  return row["x"] === undefined ? "ready" : "parked";
}

/** What is known of a fiber without decoding a payload. */
function place(row: Row): Omit<FiberRecord, "run" | "key" | "state" | "value" | "context" | "aside" | "wait"> {
  const position = positionOf(row);
  const queued = position === "ready" || position === "parked";
  return {
    ...(row["u"] !== undefined && { parent: row["u"] as FiberKey }),
    ...(row["k"] !== undefined && { fork: Number(row["k"]) }),
    ...(row["o"] !== undefined && { ordinal: Number(row["o"]) }),
    seq: Number(row["n"]),
    queue: original(row["q"] ?? ""),
    priority: Number(row["p"]),
    ...((row["L"] ?? "") !== "" && { lane: original(row["L"] ?? "") }),
    position,
    ...(position === "leased" && { owner: { worker: row["w"] as WorkerId, epoch: Number(row["e"]) } }),
    ...(queued && row["r"] !== undefined && { readyAt: Number(row["r"]) }),
    deliveries: Number(row["d"]),
    ...(row["X"] !== undefined && { cancel: original(row["X"]) }),
  };
}

export function fiberRecord({ run, fiber: key }: FiberRef, row: Row): FiberRecord {
  const at = (field: string): string => `${field} of the fiber ${run}/${key}`;
  return {
    run,
    key,
    ...place(row),
    state: parsed(row["s"], at("state")),
    value: parsed(row["v"], at("value")),
    context: row["c"] === undefined ? NO_CONTEXT : parsed(row["c"], at("context")),
    aside: row["a"] === undefined ? null : parsed(row["a"], at("aside")),
    ...(row["x"] !== undefined && { wait: parsed(row["x"], at("wait")) as unknown as OpenWait }),
  };
}

/** From the text of an ended child. */
export function endedRow(text: string, where: string): Row {
  return rowOf(parsed(text, where));
}

export function childResult(ref: FiberRef, row: Row): ChildResult {
  const { ordinal = 0, state, value, context, aside } = fiberRecord(ref, row);
  return { ordinal, outcome: row["E"] as EndStatus, state, value, context, aside };
}

/** From { ref, fields, { metadata, parent run, parent fiber, reply }, messages }. What cannot be decoded is for its worker to condemn. */
export function leasedFiber(answer: unknown, claimedAt: number): LeasedFiber {
  const [ref, pairs, [metadata, parentRun, parentFiber, reply], messages] = answer as readonly [
    string,
    unknown,
    readonly [string, string | null, string | null, string | null],
    readonly unknown[],
  ];
  const [where, row] = [refIn(ref), rowOf(pairs)];
  const known = {
    fingerprint: row["g"] as Fingerprint,
    ...(typeof parentRun === "string" && { parentRun: parentRef(parentRun, parentFiber ?? "", reply ?? "") }),
    claimedAt,
  };
  try {
    return {
      ...fiberRecord(where, row),
      ...known,
      metadata: parsed(metadata ?? undefined, `metadata of the run ${where.run}`) as Metadata,
      messages: messageRecords(where.run, messages),
    };
  } catch (error) {
    if (!(error instanceof FlujoError)) throw error;
    const nothing = { value: null, context: NO_CONTEXT, aside: null, metadata: {}, messages: [] };
    return { run: where.run, key: where.fiber, ...place(row), ...known, ...nothing, state: undecodable(error.message) };
  }
}

/** From { seq, about, data } each, in the order of arrival. */
export const messageRecords = (run: RunId, answers: readonly unknown[]): readonly MessageRecord[] =>
  answers.map((answer) => messageRecord(run, answer)).sort((a, b) => a.seq - b.seq);

function messageRecord(run: RunId, answer: unknown): MessageRecord {
  const [seq, about, data] = answer as readonly [string, string, string];
  const [name, sentAt, mark] = parsed(about, `the message ${seq} of ${run}`) as readonly [string, string, string];
  return {
    seq: Number(seq),
    run,
    ...(mark.startsWith("i") && { id: original(mark.slice(1)) }),
    ...(mark.startsWith("o") && { once: original(mark.slice(1)) }),
    name: original(name),
    data: parsed(data, `data of the message ${seq} of ${run}`),
    sentAt: Number(sentAt),
  };
}

/** From the text of an event: fiber, worker, instant and facts, a line each. */
export function eventRecord(text: unknown, seq: number): EventRecord {
  const [fiber, worker, at, facts] = (text as string).split("\n");
  return {
    seq,
    fiber: fiber as FiberKey,
    ...(worker !== undefined && worker !== "" && { worker: worker as WorkerId }),
    at: Number(at),
    facts: parsed(facts, `the event ${seq}`),
  };
}

export function storedDefinition(fingerprint: Fingerprint, text: string): StoredDefinition {
  return {
    fingerprint,
    ...(parsed(text, `the definition ${fingerprint}`) as unknown as Omit<StoredDefinition, "fingerprint">),
  };
}
