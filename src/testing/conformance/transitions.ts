import type { FiberKey, RunId } from "../../domain/ids.ts";
import type { OpenWait } from "../../domain/run.ts";
import type { FiberRecord, Lease, NewEvent, RunEnd, Transition } from "../../ports/store.ts";
import { openWait, START_MS } from "./records.ts";

/** A fiber in the hands of a worker: what a transition needs to pass the fence. */
export interface Held {
  readonly run: RunId;
  readonly fiber: FiberKey;
  readonly lease: Lease;
  readonly seq: number;
}

export const heldOf = (fiber: FiberRecord, lease: Lease): Held => ({
  run: fiber.run,
  fiber: fiber.key,
  lease,
  seq: fiber.seq,
});

/** The same fiber after one more transition. */
export const next = (held: Held): Held => ({ ...held, seq: held.seq + 1 });

/** The same lease on another fiber of the run, which nobody has moved yet. */
export const sibling = (held: Held, fiber: FiberKey): Held => ({ ...held, fiber, seq: 0 });

/** A transition that keeps the fiber and only writes its state, unless told otherwise. */
export const transition = (held: Held, given: Partial<Transition> = {}): Transition => ({
  run: held.run,
  fiber: held.fiber,
  lease: held.lease,
  expectedSeq: held.seq,
  state: { step: held.seq + 1 },
  position: { kind: "held" },
  consume: [],
  send: [],
  spawn: [],
  startRuns: [],
  cancelRuns: [],
  blobs: [],
  ...given,
});

export interface Parking extends Partial<Omit<Transition, "wait">> {
  readonly names?: readonly string[];
  readonly until?: number;
  readonly wait?: Partial<OpenWait>;
}

/** Parks for messages, for a time, or for whichever comes first. */
export function park(held: Held, { names = ["paid"], until, wait, ...given }: Parking = {}): Transition {
  return transition(held, {
    position: { kind: "parked", names, ...(until !== undefined && { until }) },
    wait: openWait({
      kind: names.length === 0 ? "timer" : "signal",
      names,
      ...(until !== undefined && { deadlineAt: until }),
      ...wait,
    }),
    ...given,
  });
}

/** Hands the fiber back to the queue, due at `at`. */
export const handBack = (held: Held, at: number, given: Partial<Transition> = {}): Transition =>
  transition(held, { position: { kind: "ready", at }, ...given });

/** Ends a child, whose result waits for its parent. */
export const endChild = (held: Held, given: Partial<Transition> = {}): Transition =>
  transition(held, { position: { kind: "ended", outcome: "completed" }, ...given });

/** Ends the run. */
export function endRun(held: Held, end: Partial<RunEnd> = {}, given: Partial<Transition> = {}): Transition {
  const status = end.status ?? "completed";
  return transition(held, {
    position: { kind: "ended", outcome: status },
    endRun: { at: START_MS, ...end, status },
    ...given,
  });
}

export const newEvent = (facts: NewEvent["facts"], at: number = START_MS): NewEvent => ({ at, facts });
