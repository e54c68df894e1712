// A bare store: the queue as a worker sees it, without a worker that would claim first.
import { ROOT_FIBER, runId, workerId } from "./.build/domain/ids.js";
import type { LeasedFiber } from "./.build/ports/queue.js";
import type { QueueRules } from "./.build/ports/queue-rules.js";
import type { NewRun, Transition } from "./.build/ports/store.js";
import { type Place, openStore } from "./flujo-place.ts";
import { parkingFlow, unexpected } from "./flujo.ts";

// Longer than any measurement: a swept lease would look like a slow claim.
const LEASE_MS = 600_000;
const CREATE_AT_ONCE = 500;
// Built once: a fingerprint is a digest of the whole flow.
const { fingerprint, name: flow, version } = parkingFlow();
// About what the engine keeps of a fiber in front of its first step.
const STATE = { v: 1, frames: [{ node: "root", visit: "", at: 0 }], doing: { kind: "step", attempt: 1 } };

export interface Queue extends AsyncDisposable {
  /** Makes runs ready to be claimed, spread over so many lanes in turn. */
  fill(count: number, lanes: number): Promise<void>;
  /** Claims so many at most and answers how many there were. */
  claim(limit: number): Promise<number>;
  /** Ends what has been claimed, so that the next round finds the store as this one did. */
  finish(): Promise<void>;
}

export interface QueueOptions {
  readonly name: string;
  readonly rules?: Omit<QueueRules, "queue">;
}

/** Opens one queue of the store at `place`. */
export async function openQueue(place: Place, { name, rules }: QueueOptions): Promise<Queue> {
  const store = await openStore(place);
  const worker = workerId(`bench-${name}-${process.pid}`);
  const { epoch } = await store.register(worker, LEASE_MS);
  if (rules !== undefined) await store.putQueueRules([{ queue: name, ...rules }]);
  const claimed: LeasedFiber[] = [];
  let created = 0;
  return {
    fill: async (count, lanes) => {
      for (let left = count; left > 0; left -= CREATE_AT_ONCE) {
        const runs = Array.from({ length: Math.min(left, CREATE_AT_ONCE) }, () => {
          const n = created++;
          return readyRun(`${name}-${process.pid}-${n}`, name, `key-${n % lanes}`);
        });
        const refused = (await store.createRuns(runs)).find(({ status }) => status !== "created");
        if (refused !== undefined) throw unexpected(refused);
      }
    },
    claim: async (limit) => {
      const fibers = await store.claim({ worker, epoch, fingerprints: [fingerprint], queues: [name], limit });
      claimed.push(...fibers);
      return fibers.length;
    },
    finish: async () => {
      const outcomes = await store.commit(claimed.splice(0).map((fiber) => endOf(fiber, { worker, epoch })));
      const failed = outcomes.find(({ status }) => status !== "committed");
      if (failed !== undefined) throw unexpected(failed);
    },
    [Symbol.asyncDispose]: () => store.close(),
  };
}

/** A run that any worker of the parking flow may claim. Its state is never planned with. */
function readyRun(id: string, queue: string, lane: string): NewRun {
  const now = Date.now();
  const data = { state: STATE, value: 0, context: {}, aside: null };
  return {
    ...{ id: runId(id), flow, version, fingerprint, input: 0, metadata: {}, createdAt: now, blobs: [] },
    root: { ...data, key: ROOT_FIBER, queue, priority: 0, lane, leased: false, readyAt: now },
    event: { at: now, facts: [] },
  };
}

function endOf({ run, key, seq }: LeasedFiber, lease: Transition["lease"]): Transition {
  const at = Date.now();
  return {
    ...{ run, fiber: key, lease, expectedSeq: seq, state: STATE, position: { kind: "ended", outcome: "completed" } },
    ...{ consume: [], send: [], spawn: [], startRuns: [], cancelRuns: [], blobs: [] },
    event: { at, facts: [] },
    endRun: { status: "completed", at },
  };
}
