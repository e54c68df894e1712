// Every call the bench makes to the engine, in one file. The engine is the private build that run.ts makes (see install.ts).
import { Flujo, flow } from "./.build/index.js";

const CHAIN_START = 0;

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
    : { store: "sqlite (libsql)", journalMode: "wal", synchronous: "2", fsync: "every commit" };
}

/** A row of no-op steps, each adding one to a number. */
export function openChain(opening: Opening, steps: number): Runner<void> {
  let chain = flow("bench-chain", { version: "1" }).step("s0", async (x: number) => x + 1);
  for (let i = 1; i < steps; i++) chain = chain.step(`s${i}`, async (x: number) => x + 1);
  const definition = chain.build();
  const flujo = open(opening, definition);
  return {
    run: async () => {
      const result = await flujo.run(definition, CHAIN_START);
      if (result.status !== "completed" || result.output !== steps) throw unexpected(result);
    },
    [Symbol.asyncDispose]: () => flujo[Symbol.asyncDispose](),
  };
}

/** One step in a counted loop; `onStep` is called each time the step runs. */
export function openLoop(opening: Opening, iterations: number, onStep: () => void): Runner<void> {
  const definition = flow("bench-loop", { version: "1" })
    .times("loop", iterations, (body) =>
      body.step("noop", async (x: number) => {
        onStep();
        return x + 1;
      }),
    )
    .build();
  const flujo = open(opening, definition);
  return {
    run: async () => {
      const result = await flujo.run(definition, CHAIN_START);
      if (result.status !== "completed" || result.output !== iterations) throw unexpected(result);
    },
    [Symbol.asyncDispose]: () => flujo[Symbol.asyncDispose](),
  };
}

/** A map with one no-op step an item, under the default window. */
export function openMap(opening: Opening): Runner<readonly number[]> {
  const definition = flow("bench-map", { version: "1" })
    .map("items", {}, (body) => body.step("noop", async (x: number) => x + 1))
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

/** Runs that wait for a signal which never comes; `run` resolves when the run is parked, `start` when the worker polls. */
export function openParking(opening: Opening): Runner<number> & { start(): Promise<unknown> } {
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
    .step("before", async (x: number) => x + 1)
    .waitForSignal("park", "go")
    .build();
}

function open({ store, directory, concurrency }: Opening, definition: object): Flujo {
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
  const { fingerprint, name, version } = parkingFlow();
  const store = openStore(`${directory}/flujo.db`);
  await store.migrate();
  const worker = workerId(`bench-${process.pid}`);
  const { epoch } = await store.register(worker, LEASE_MS);
  const claimed: LeasedFiber[] = [];
  const fill = async (count: number) => {
    const now = Date.now();
    const fiber = {
      key: ROOT_FIBER,
      state: {},
      value: 0,
      context: {},
      aside: {},
      queue: "default",
      priority: 0,
      leased: false,
      readyAt: now,
    };
    const runs = Array.from({ length: count }, (_, i) => ({
      ...{
        id: runId(`ready-${process.pid}-${now}-${i}`),
        flow: name,
        version,
        fingerprint,
        input: 0,
        metadata: {},
        createdAt: now,
      },
      ...{ root: fiber, event: { at: now, facts: {} }, blobs: [] },
    }));
    await store.createRuns(runs);
  };
  const claimOne = async () => {
    const request = { worker, epoch, fingerprints: [fingerprint], queues: ["default"], limit: 1 };
    const fibers = await store.claim(request);
    claimed.push(...fibers);
    return fibers.length === 1;
  };
  const finish = async () => {
    const none = { consume: [], send: [], spawn: [], startRuns: [], cancelRuns: [], blobs: [] };
    const ended = {
      position: { kind: "ended", outcome: "completed" },
      endRun: { status: "completed", at: Date.now() },
    } as const;
    const lease = { worker, epoch };
    const outcomes = await store.commit(
      claimed.map(({ run, key, seq }) => ({ ...none, ...ended, run, fiber: key, lease, expectedSeq: seq, state: {} })),
    );
    const failed = outcomes.find(({ status }) => status !== "committed");
    if (failed !== undefined) throw unexpected(failed);
  };
  return { fill, claimOne, finish, [Symbol.asyncDispose]: () => store.close() };
}
