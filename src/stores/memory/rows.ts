import type { Failure } from "../../domain/failure.ts";
import type { FiberKey, Fingerprint, RunId, WorkerId } from "../../domain/ids.ts";
import type { EndStatus, Metadata, OpenWait, ParentRef, RunRecord, RunStatus } from "../../domain/run.ts";
import type { Wire } from "../../domain/wire.ts";
import type { LeasedFiber, WorkerRecord } from "../../ports/queue.ts";
import type { EventRecord, FiberRecord, Lease, MessageRecord } from "../../ports/store.ts";
import type { Lane } from "./governed.ts";
import type { Entry } from "./heap.ts";

/** Rows are mutable here and nowhere else; what leaves the store is copied, and the wires inside are never written to. */
export interface RunRow {
  readonly id: RunId;
  readonly flow: string;
  readonly version: string;
  readonly fingerprint: Fingerprint;
  readonly keepsHistory: boolean;
  readonly input: Wire;
  readonly metadata: Metadata;
  readonly parent: ParentRef | undefined;
  readonly createdAt: number;
  /** Order of creation: breaks ties of `createdAt` in lists. */
  readonly ordinal: number;
  status: "pending" | "running" | EndStatus;
  output: Wire | undefined;
  failure: Failure | undefined;
  cancelReason: string | undefined;
  startedAt: number | undefined;
  endedAt: number | undefined;
  readonly fibers: Map<FiberKey, FiberRow>;
  readonly events: EventRecord[];
  messages: MessageRecord[];
  /** Parked fibers by the names they wait for: a message must not look at every fiber of a large fork. */
  readonly waiting: Map<string, Set<FiberRow>>;
  /** Ids of every message ever accepted, consumed ones too: deduplication outlives consumption. */
  readonly messageIds: Set<string>;
  /** The same for the engine's own messages. Most runs have none. */
  onces: Set<string> | undefined;
}

export interface FiberRow {
  readonly run: RunRow;
  readonly key: FiberKey;
  readonly parent: FiberKey | undefined;
  readonly fork: number | undefined;
  readonly ordinal: number | undefined;
  seq: number;
  state: Wire;
  value: Wire;
  context: Wire;
  aside: Wire;
  queue: string;
  priority: number;
  lane: string | undefined;
  owner: WorkerRow | undefined;
  readyAt: number | undefined;
  wait: OpenWait | undefined;
  names: readonly string[];
  ended: EndStatus | undefined;
  cancel: string | undefined;
  deliveries: number;
  /** Its place in the queue, while it has one. */
  entry: Entry<FiberRow> | undefined;
  /** The lane in which it is leased, where the queue has rules. */
  place: Lane | undefined;
}

export interface WorkerRow {
  readonly id: WorkerId;
  readonly epoch: number;
  leaseUntil: number;
  readonly held: Set<FiberRow>;
  about: Wire;
}

export const workerRecord = ({ id, epoch, leaseUntil, held, about }: WorkerRow): WorkerRecord => ({
  worker: id,
  epoch,
  leaseUntil,
  held: held.size,
  about,
});

export const leaseOf = (owner: WorkerRow): Lease => ({ worker: owner.id, epoch: owner.epoch });

function positionOf(row: FiberRow): FiberRecord["position"] {
  if (row.ended !== undefined) return "ended";
  if (row.owner !== undefined) return "leased";
  return row.wait === undefined ? "ready" : "parked";
}

export function fiberRecord(row: FiberRow): FiberRecord {
  return {
    run: row.run.id,
    key: row.key,
    ...(row.parent !== undefined && { parent: row.parent }),
    ...(row.fork !== undefined && { fork: row.fork }),
    ...(row.ordinal !== undefined && { ordinal: row.ordinal }),
    seq: row.seq,
    state: row.state,
    value: row.value,
    context: row.context,
    aside: row.aside,
    queue: row.queue,
    priority: row.priority,
    ...(row.lane !== undefined && { lane: row.lane }),
    position: positionOf(row),
    ...(row.owner && { owner: leaseOf(row.owner) }),
    ...(row.readyAt !== undefined && { readyAt: row.readyAt }),
    deliveries: row.deliveries,
    ...(row.wait && { wait: row.wait }),
    ...(row.cancel !== undefined && { cancel: row.cancel }),
  };
}

export function leasedFiber(row: FiberRow, claimedAt: number): LeasedFiber {
  const messages = row.names.length === 0 ? [] : row.run.messages.filter(({ name }) => row.names.includes(name));
  const { fingerprint, metadata, parent } = row.run;
  return { ...fiberRecord(row), fingerprint, metadata, ...(parent && { parentRun: parent }), claimedAt, messages };
}

/** `paused` and `waiting` are read from the fibers, never stored. */
export function statusOf(run: RunRow, now: number): RunStatus {
  if (run.status !== "running") return run.status;
  let human = false;
  for (const row of run.fibers.values()) {
    if (row.ended !== undefined) continue;
    const { owner, wait, readyAt } = row;
    if (owner !== undefined || wait === undefined || (readyAt !== undefined && readyAt <= now)) return "running";
    human ||= wait.kind === "human";
  }
  return human ? "paused" : "waiting";
}

export function runRecord(run: RunRow, now: number): RunRecord {
  return {
    id: run.id,
    flow: run.flow,
    version: run.version,
    fingerprint: run.fingerprint,
    status: statusOf(run, now),
    input: run.input,
    ...(run.output !== undefined && { output: run.output }),
    ...(run.failure && { failure: run.failure }),
    metadata: run.metadata,
    ...(run.parent && { parent: run.parent }),
    ...(run.cancelReason !== undefined && { cancelReason: run.cancelReason }),
    createdAt: run.createdAt,
    ...(run.startedAt !== undefined && { startedAt: run.startedAt }),
    ...(run.endedAt !== undefined && { endedAt: run.endedAt }),
  };
}
