import type { RunId } from "../domain/ids.ts";
import { placeOf } from "../domain/ids.ts";
import { signalNameOf } from "../domain/event.ts";
import { isEnd } from "../domain/run.ts";
import { titleOf } from "../definition/definition.ts";
import type { FiberRecord } from "../ports/store.ts";
import type { Engine } from "./engine.ts";
import { Held } from "./held.ts";

/** Why a run is where it is, in sentences for people, and whether anything would move it on. */
export interface Why {
  readonly runId: RunId;
  readonly status: string;
  readonly reasons: readonly string[];
}

/** Explains a run: what each of its fibers waits for, and who could go on with it. */
export async function why(engine: Engine, id: RunId): Promise<Why> {
  const { store, reader, registry, ambient } = engine;
  const record = await reader.record(id);
  const { status, failure, cancelReason } = record;
  if (isEnd(status)) {
    const because = failure === undefined ? (cancelReason ?? "") : `${failure.code}: ${failure.message}`;
    const again = status === "completed" ? "" : " `flujo retry` puts it back to work.";
    return {
      runId: id,
      status,
      reasons: [`The run has ended: ${status}${because === "" ? "" : ` (${because})`}.${again}`],
    };
  }
  const reasons: string[] = [];
  const now = ambient.clock.now();
  const held = new Held(engine, record);
  // A process without flows only looks: that it could not run this one is no reason.
  if (registry.definitions.length > 0 && registry.byFingerprint(record.fingerprint) === undefined)
    reasons.push(unregistered(record, registry.definitions));
  for (const fiber of await store.fibers(id)) {
    if (fiber.position === "ended") continue;
    const waits = isDue(fiber, now) ? await held.up(fiber.queue) : undefined;
    reasons.push(fiberReason(fiber, now, waits));
  }
  if (cancelReason !== undefined) reasons.push(`Its cancellation was requested: ${cancelReason}.`);
  if (reasons.length === 0)
    reasons.push("It has no line of execution left and no end: `flujo doctor` says what is broken.");
  return { runId: id, status, reasons };
}

function unregistered(
  run: { readonly flow: string; readonly version: string; readonly fingerprint: string },
  known: Engine["registry"]["definitions"],
): string {
  const same = known.find(({ name, version }) => name === run.flow && version === run.version);
  const title = titleOf({ name: run.flow, version: run.version });
  const pinned = `the run is pinned to ${title} with fingerprint ${run.fingerprint.slice(0, 12)}`;
  return same === undefined
    ? `No worker here knows it: ${pinned}, which is not registered in this process.`
    : `The flow has changed: ${pinned}, but this process has ${same.fingerprint.slice(0, 12)} under that name. Raise the version of the changed flow and keep the old one registered until its runs have ended.`;
}

const isDue = ({ owner, position, wait, readyAt }: FiberRecord, now: number): boolean =>
  owner === undefined && (position === "ready" || wait === undefined) && (readyAt ?? 0) <= now;

function fiberReason(
  { key, position, wait, owner, readyAt, deliveries, queue, lane }: FiberRecord,
  now: number,
  waits = "a worker of that queue that knows the flow will take it",
): string {
  const due = readyAt === undefined ? "" : readyAt > now ? `, due in ${seconds(readyAt - now)}` : ", due now";
  const fiber = `Fiber ${key}`;
  if (owner !== undefined) return `${fiber} is being worked on by ${owner.worker} (epoch ${owner.epoch}).`;
  if (wait === undefined || position === "ready") {
    const again = deliveries > 0 ? ` after ${deliveries} deliveries without progress` : "";
    const whose = lane === undefined || lane === "" ? "" : ` (key ${JSON.stringify(lane)})`;
    return `${fiber} is ready in queue "${queue}"${whose}${due}${again}: ${waits}.`;
  }
  const at = placeOf(wait.path, wait.visit);
  switch (wait.kind) {
    case "human":
      return `${fiber} waits at ${at} for an answer to pause ${wait.token ?? ""}${due}.`;
    case "signal":
      return `${fiber} waits at ${at} for signal ${wait.names.map(signalNameOf).join(" or ")}${due}.`;
    case "timer":
      return `${fiber} sleeps at ${at}${due}.`;
    case "join":
      return `${fiber} waits at ${at} for the fibers it forked${due}.`;
    case "call":
      return `${fiber} waits at ${at} for its child runs${due}.`;
  }
}

const seconds = (ms: number): string => (ms < 120_000 ? `${Math.ceil(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`);
