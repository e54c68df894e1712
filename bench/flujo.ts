// Every call the bench makes to the engine, in one file. The engine is the private build that run.ts makes (see install.ts).
import { ROOT_FIBER, runId, workerId } from "./.build/domain/ids.js";
import type { Definition } from "./.build/definition/definition.js";
import type { LeasedFiber } from "./.build/ports/queue.js";
import type { NewRun, Transition } from "./.build/ports/store.js";
import { Flujo, flow } from "./.build/index.js";
import { sqliteStore } from "./.build/sqlite.js";

const QUEUE = "default";
// Longer than any measurement: a swept lease would look like a slow claim.
const LEASE_MS = 600_000;

/** How an engine is opened: "memory" or "sqlite" below a directory, and how many runs its worker takes at a time. */
export interface Opening {
  readonly store: string;
  readonly directory: string;
  readonly concurrency: number;
}

/** An opened engine and one call that performs a whole run, rejecting unless it completed. */
export interface Runner<Input> extends AsyncDisposable {
  run(input: Input): Promise<unknown>;
}

/** What the database is and how safely it commits, for the report. */
export function settingsOf({ store }: Pick<Opening, "store">): Record<string, string> {
  return store === "memory"
    ? { store: "memory", fsync: "none" }
    : { store: "sqlite (libsql)", journalMode: "wal", synchronous: "FULL, its default", fsync: "every commit" };
}

/** A row of no-op steps, each adding one to a number. */
export function openChain(opening: Opening, steps: number): Runner<void> {
  let chain = flow("bench-chain", { version: "1" }).step("s0", async (x) => Number(x) + 1);
  for (let i = 1; i < steps; i++) chain = chain.step(`s${i}`, async (x) => x + 1);
  const definition = chain.build();
  const flujo = open(opening, definition);
  return {
    run: async () => {
      const result = await flujo.run(definition, 0);
      if (result.status !== "completed" || result.output !== steps) throw unexpected(result);
    },
    [Symbol.asyncDispose]: () => flujo[Symbol.asyncDispose](),
  };
}

/** One step in a counted loop; `onStep` is called each time the step runs. */
export function openLoop(opening: Opening, iterations: number, onStep: () => void): Runner<void> {
  const definition = flow("bench-loop", { version: "1" })
    .step("start", (x) => Number(x))
    .times("loop", iterations, (body) =>
      body.step("noop", async (x) => {
        onStep();
        return x + 1;
      }),
    )
    .build();
  const flujo = open(opening, definition);
  return {
    run: async () => {
      const result = await flujo.run(definition, 0);
      if (result.status !== "completed" || result.output !== iterations) throw unexpected(result);
    },
    [Symbol.asyncDispose]: () => flujo[Symbol.asyncDispose](),
  };
}

/** A map with one no-op step an item, under the default window. */
export function openMap(opening: Opening): Runner<readonly number[]> {
  const definition = flow("bench-map", { version: "1" })
    .map("items", numbersIn, (item) => item.step("noop", async (x) => x + 1))
    .build();
  const flujo = open(opening, definition);
  return {
    run: async (items) => {
      const result = await flujo.run(definition, items);
      if (result.status !== "completed" || result.output.length !== items.length) throw unexpected(result);
    },
    [Symbol.asyncDispose]: () => flujo[Symbol.asyncDispose](),
  };
}

function numbersIn(value: unknown): number[] {
  return Array.isArray(value) ? value : [];
}

/** Runs that wait for a signal which never comes; `run` resolves when the run is parked. */
export function openParking(opening: Opening): Runner<number> {
  const definition = parkingFlow();
  const flujo = open(opening, definition);
  return {
    run: async (input) => {
      const result = await flujo.run(definition, input);
      if (result.status !== "waiting") throw unexpected(result);
    },
    [Symbol.asyncDispose]: () => flujo[Symbol.asyncDispose](),
  };
}

function parkingFlow() {
  return flow("bench-parking", { version: "1" })
    .step("before", async (x) => Number(x) + 1)
    .waitForSignal("park", "go")
    .build();
}

function open({ store, directory, concurrency }: Opening, definition: Definition): Flujo {
  const url = store === "memory" ? "memory:" : `sqlite:${directory}/flujo.db`;
  return new Flujo({ store: url, flows: [definition], worker: { concurrency } });
}

function unexpected(result: object): Error {
  return new Error(`unexpected result of a run: ${JSON.stringify(result).slice(0, 500)}`);
}

/** A bare store on a file: the queue as a worker sees it, without a worker that would claim first. */
export interface Queue extends AsyncDisposable {
  /** Makes `count` runs ready to be claimed. */
  fill(count: number): Promise<void>;
  /** Claims one run; false when there was none. */
  claimOne(): Promise<boolean>;
  /** Ends the claimed runs, so that the next round finds the file as this one did. */
  finish(): Promise<void>;
}

/** Opens the queue of the parking flow's runs in `directory`. */
export async function openQueue(directory: string): Promise<Queue> {
  const { fingerprint } = parkingFlow();
  const store = await sqliteStore({ path: `${directory}/flujo.db` });
  const worker = workerId(`bench-${process.pid}`);
  const { epoch } = await store.register(worker, LEASE_MS);
  const request = { worker, epoch, fingerprints: [fingerprint], queues: [QUEUE], limit: 1 };
  const claimed: LeasedFiber[] = [];
  return {
    fill: async (count) => {
      await store.createRuns(Array.from({ length: count }, (_, i) => readyRun(`ready-${process.pid}-${i}`)));
    },
    claimOne: async () => {
      const fibers = await store.claim(request);
      claimed.push(...fibers);
      return fibers.length === 1;
    },
    finish: async () => {
      const outcomes = await store.commit(claimed.map((fiber) => endOf(fiber, { worker, epoch })));
      const failed = outcomes.find(({ status }) => status !== "committed");
      if (failed !== undefined) throw unexpected(failed);
    },
    [Symbol.asyncDispose]: () => store.close(),
  };
}

/** A run that any worker of the parking flow may claim. Its state is never planned with, so it may be empty. */
function readyRun(id: string): NewRun {
  const { fingerprint, name: flowName, version } = parkingFlow();
  const now = Date.now();
  const data = { state: {}, value: 0, context: {}, aside: {} };
  const root = { ...data, key: ROOT_FIBER, queue: QUEUE, priority: 0, leased: false, readyAt: now };
  const event = { at: now, facts: [] };
  return {
    id: runId(id),
    flow: flowName,
    version,
    fingerprint,
    input: 0,
    metadata: {},
    createdAt: now,
    root,
    event,
    blobs: [],
  };
}

function endOf({ run, key, seq }: LeasedFiber, lease: Transition["lease"]): Transition {
  return {
    ...{ run, fiber: key, lease, expectedSeq: seq, state: {}, position: { kind: "ended", outcome: "completed" } },
    ...{ consume: [], send: [], spawn: [], startRuns: [], cancelRuns: [], blobs: [] },
    endRun: { status: "completed", at: Date.now() },
  };
}
