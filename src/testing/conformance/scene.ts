import { ROOT_FIBER, type FiberKey, type RunId, type WorkerId } from "../../domain/ids.ts";
import type { RunStatus } from "../../domain/run.ts";
import type { ClaimRequest, LeasedFiber } from "../../ports/queue.ts";
import type {
  CommitOutcome,
  FiberRecord,
  Lease,
  NewMessage,
  SignalOutcome,
  Store,
  Transition,
} from "../../ports/store.ts";
import type { Expect } from "./api.ts";
import type { ManualClock } from "./clock.ts";
import { FINGERPRINT, LEASE_MS, newMessage, newRun, QUEUE, type RunOverrides, RUN, WORKER } from "./records.ts";
import { type Held, heldOf, next } from "./transitions.ts";

/** Everything a store says about some runs, to see that nothing has changed. */
export interface Picture {
  readonly [run: RunId]: unknown;
}

/** One case: an empty store, a clock that stands still, and the moves that cases share. */
export class Scene {
  readonly store: Store;
  readonly clock: ManualClock;
  readonly #expect: Expect;

  constructor(store: Store, clock: ManualClock, expect: Expect) {
    this.store = store;
    this.clock = clock;
    this.#expect = expect;
  }

  async worker(id: WorkerId = WORKER, leaseMs: number = LEASE_MS): Promise<Lease> {
    const { epoch } = await this.store.register(id, leaseMs);
    return { worker: id, epoch };
  }

  /** Creates a run whose root waits in the queue. */
  async start(given: RunOverrides = {}): Promise<RunId> {
    const run = newRun({ createdAt: this.clock.now(), ...given });
    this.#expect(await this.store.createRuns([run])).toEqual([{ status: "created", leased: false }]);
    return run.id;
  }

  /** Creates a run whose root is born in the hands of the worker. */
  async hold(lease: Lease, given: RunOverrides = {}): Promise<Held> {
    const run = newRun({ createdAt: this.clock.now(), lease, ...given, root: { ...given.root, leased: true } });
    this.#expect(await this.store.createRuns([run])).toEqual([{ status: "created", leased: true }]);
    return { run: run.id, fiber: run.root.key, lease, seq: 0 };
  }

  async claim({ worker, epoch }: Lease, given: Partial<ClaimRequest> = {}): Promise<readonly LeasedFiber[]> {
    return this.store.claim({
      worker,
      epoch,
      fingerprints: [FINGERPRINT],
      queues: [QUEUE],
      limit: 100,
      ...given,
    });
  }

  /** Claims the one fiber that is due. */
  async claimOne(lease: Lease): Promise<{ readonly fiber: LeasedFiber; readonly held: Held }> {
    const claimed = await this.claim(lease);
    const [fiber] = claimed;
    if (fiber === undefined || claimed.length !== 1) {
      throw new Error(`expected to claim one fiber but claimed ${claimed.length}`);
    }
    return { fiber, held: heldOf(fiber, lease) };
  }

  async claimedKeys(lease: Lease, given: Partial<ClaimRequest> = {}): Promise<readonly string[]> {
    return (await this.claim(lease, given)).map((fiber) => `${fiber.run}/${fiber.key}`);
  }

  async commit(transition: Transition): Promise<CommitOutcome> {
    const outcomes = await this.store.commit([transition]);
    const [outcome] = outcomes;
    if (outcome === undefined || outcomes.length !== 1) {
      throw new Error(`expected one outcome of one transition but got ${outcomes.length}`);
    }
    return outcome;
  }

  /** Commits what must succeed, and says how the fiber is held afterwards. */
  async pass(transition: Transition): Promise<Held> {
    const outcome = await this.commit(transition);
    this.#expect(outcome).toMatchObject({ status: "committed" });
    const { run, fiber, lease, expectedSeq } = transition;
    return next({ run, fiber, lease, seq: expectedSeq });
  }

  async signal(given: Partial<NewMessage> = {}): Promise<SignalOutcome> {
    return this.store.signal(newMessage({ sentAt: this.clock.now(), ...given }));
  }

  /** Sends signals that must arrive, named and numbered in this order. */
  async deliver(...names: readonly string[]): Promise<void> {
    for (const [i, name] of names.entries())
      this.#expect(await this.signal({ id: `m${i + 1}`, name })).toBe("delivered");
  }

  async fiber(run: RunId = RUN, key: FiberKey = ROOT_FIBER): Promise<FiberRecord | undefined> {
    return (await this.store.fibers(run)).find((fiber) => fiber.key === key);
  }

  async status(run: RunId = RUN): Promise<RunStatus | undefined> {
    return (await this.store.load(run))?.status;
  }

  /** Ids of the messages that nobody has consumed; an empty text for those without. */
  async mailbox(run: RunId = RUN): Promise<readonly string[]> {
    return (await this.store.messages(run)).map((message) => message.id ?? "");
  }

  /** Number of a message in the mailbox. */
  async messageSeq(id: string, run: RunId = RUN): Promise<number> {
    const found = (await this.store.messages(run)).find((message) => message.id === id);
    if (found === undefined) throw new Error(`expected the message ${id} in the mailbox of ${run}`);
    return found.seq;
  }

  async facts(run: RunId = RUN): Promise<readonly unknown[]> {
    return (await this.store.history(run)).map((event) => event.facts);
  }

  async picture(...runs: readonly RunId[]): Promise<Picture> {
    const entries = runs.map(async (run) => [
      run,
      {
        run: await this.store.load(run),
        fibers: await this.store.fibers(run),
        history: await this.store.history(run),
        messages: await this.store.messages(run),
      },
    ]);
    return Object.fromEntries(await Promise.all(entries));
  }
}

/** What a promise was rejected with; it must be rejected. */
export async function rejection(
  promise: Promise<unknown>,
): Promise<{ readonly code?: unknown; readonly message: string }> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw new Error(`expected an Error but something else was thrown: ${String(error)}`, { cause: error });
  }
  throw new Error(`expected a rejection but got ${JSON.stringify(value)}`);
}
