// Every flow the bench runs, and every call it makes to the engine itself. The engine is the private build that run.ts makes
// (see install.ts); the store below it is opened in flujo-place.ts and called in flujo-queue.ts.
import { setTimeout as sleep } from "node:timers/promises";
import type { Definition } from "./.build/definition/definition.js";
import { Flujo, flow, type QueueOptions } from "./.build/index.js";
import { type Place, openStore } from "./flujo-place.ts";

const LOOK_EVERY_MS = 2;
// Enough to fill every batch of commits.
const STARTERS = 100;

export interface Opening {
  readonly place: Place;
  /** How many runs its worker takes at a time; absent = it works on none. */
  readonly concurrency?: number;
  readonly queue?: string;
  /** Called after each run that ended here. */
  readonly onEnd?: () => void;
}

/** An opened engine and one call that performs a whole run, rejecting unless it completed. */
export interface Runner<Input> extends AsyncDisposable {
  run(input: Input): Promise<unknown>;
}

/** A row of no-op steps, each adding one to a number. */
export async function openChain(opening: Opening, steps: number): Promise<Runner<void>> {
  const definition = chainFlow(steps);
  const { flujo, close } = await open(opening, [definition]);
  return {
    run: async () => {
      const result = await flujo.run(definition, 0, inQueue(opening));
      if (result.status !== "completed" || result.output !== steps) throw unexpected(result);
    },
    [Symbol.asyncDispose]: close,
  };
}

/** No-op steps in a row; `onLast` is called when the last one runs. */
function chainFlow(steps: number, onLast: () => void = () => undefined) {
  const count = (i: number, x: number) => {
    if (i === steps - 1) onLast();
    return x + 1;
  };
  let chain = flow(`bench-chain-${steps}`, { version: "1" }).step("s0", async (x) => count(0, Number(x)));
  for (let i = 1; i < steps; i++) chain = chain.step(`s${i}`, async (x) => count(i, x));
  return chain.build();
}

/** One step in a counted loop; `onStep` is called each time the step runs. */
export async function openLoop(opening: Opening, iterations: number, onStep: () => void): Promise<Runner<void>> {
  const definition = flow("bench-loop", { version: "1" })
    .step("start", (x) => Number(x))
    .times("loop", iterations, (body) =>
      body.step("noop", async (x) => {
        onStep();
        return x + 1;
      }),
    )
    .build();
  const { flujo, close } = await open(opening, [definition]);
  return {
    run: async () => {
      const result = await flujo.run(definition, 0);
      if (result.status !== "completed" || result.output !== iterations) throw unexpected(result);
    },
    [Symbol.asyncDispose]: close,
  };
}

/** A map with one no-op step an item, under the default window. */
export async function openMap(opening: Opening): Promise<Runner<readonly number[]>> {
  const definition = flow("bench-map", { version: "1" })
    .map("items", numbersIn, (item) => item.step("noop", async (x) => x + 1))
    .build();
  const { flujo, close } = await open(opening, [definition]);
  return {
    run: async (items) => {
      const result = await flujo.run(definition, items);
      if (result.status !== "completed" || result.output.length !== items.length) throw unexpected(result);
    },
    [Symbol.asyncDispose]: close,
  };
}

function numbersIn(value: unknown): number[] {
  return Array.isArray(value) ? value : [];
}

/** Runs that wait for a signal which never comes; `run` resolves when the run is parked. */
export async function openParking(opening: Opening): Promise<Runner<number>> {
  const definition = parkingFlow();
  const { flujo, close } = await open(opening, [definition]);
  return {
    run: async (input) => {
      const result = await flujo.run(definition, input);
      if (result.status !== "waiting") throw unexpected(result);
    },
    [Symbol.asyncDispose]: close,
  };
}

export function parkingFlow() {
  return flow("bench-parking", { version: "1" })
    .step("before", async (x) => Number(x) + 1)
    .waitForSignal("park", "go")
    .build();
}

/** One step behind a signal. `run` parks a run, signals it, and answers how long (ms) the step then took to begin. */
export async function openSignalled(opening: Opening): Promise<{ run(): Promise<number> } & AsyncDisposable> {
  const definition = flow("bench-signalled", { version: "1" })
    .step("before", async (x) => Number(x) + 1)
    .waitForSignal("park", "go")
    .step("after", async () => performance.now())
    .build();
  const { flujo, close } = await open(opening, [definition]);
  return {
    run: async () => {
      const parked = await flujo.run(definition, 0);
      if (parked.status !== "waiting") throw unexpected(parked);
      const sentAt = performance.now();
      await flujo.signal(parked.runId, "go");
      const result = await flujo.result(parked.runId, { until: "end" });
      if (result.status !== "completed" || typeof result.output !== "number") throw unexpected(result);
      return result.output - sentAt;
    },
    [Symbol.asyncDispose]: close,
  };
}

/** One step that says when it ran, by the clock that all processes of a machine share. */
function stampFlow() {
  return flow("bench-stamp", { version: "1" })
    .step("stamp", async () => String(process.hrtime.bigint()))
    .build();
}

/** Starts runs that a worker in another process takes; `run` answers how long (ms) that took from the start. */
export async function openRemoteStart(place: Place): Promise<{ run(): Promise<number> } & AsyncDisposable> {
  const definition = stampFlow();
  const { flujo, close } = await open({ place }, [definition]);
  return {
    run: async () => {
      const startedAt = process.hrtime.bigint();
      const result = await flujo.run(definition, 0);
      if (result.status !== "completed") throw unexpected(result);
      return Number(BigInt(result.output) - startedAt) / 1_000_000;
    },
    [Symbol.asyncDispose]: close,
  };
}

/** Puts runs of a chain into the queue for workers elsewhere, without waiting for them. */
export async function openBacklog(place: Place, steps: number): Promise<Runner<void>> {
  const definition = chainFlow(steps);
  const { flujo, close } = await open({ place }, [definition]);
  return { run: () => flujo.start(definition, 0), [Symbol.asyncDispose]: close };
}

/** A worker for the runs that `openBacklog` and `openRemoteStart` start elsewhere. */
export async function openWorker(opening: Opening, steps: number): Promise<AsyncDisposable> {
  const { flujo, close } = await open(opening, [chainFlow(steps), stampFlow()]);
  await flujo.open();
  return { [Symbol.asyncDispose]: close };
}

/** Queued runs of so many steps on one store, of many keys in turn. */
export interface Queues extends AsyncDisposable {
  fill(queue: string, count: number, keys: number): Promise<void>;
  /** Works that many off with one worker: time from when it was open, and CPU time of this process. */
  work(queue: string, count: number, concurrency: number): Promise<{ readonly ms: number; readonly cpuMs: number }>;
}

export async function openQueues(
  place: Place,
  rules: Readonly<Record<string, QueueOptions>>,
  steps: number,
): Promise<Queues> {
  let done = 0;
  const definition = chainFlow(steps, () => ++done);
  const store = await openStore(place);
  const idle = { store, flows: [definition], worker: false } as const;
  const opened = new Flujo({ ...idle, queues: rules });
  await opened.open();
  await opened.close();
  let started = 0;
  return {
    fill: async (queue, count, keys) => {
      await using starter = new Flujo(idle); // gone before the work begins: hints would wake it, too
      let left = count;
      const lane = async () => {
        while (left-- > 0) await starter.start(definition, 0, { queue, key: `key-${started++ % keys}` });
      };
      await Promise.all(Array.from({ length: STARTERS }, lane));
    },
    work: async (queue, count, concurrency) => {
      done = 0;
      const worker = new Flujo({ store, flows: [definition], worker: { concurrency, queues: [queue] } });
      await worker.open();
      const startedAt = performance.now();
      const cpuBefore = process.cpuUsage();
      while (done < count) await sleep(LOOK_EVERY_MS);
      const ms = performance.now() - startedAt;
      const { user, system } = process.cpuUsage(cpuBefore);
      await worker.close();
      await store.prune({ endedBefore: Date.now() + 1 }); // or whoever comes later has more to carry along
      return { ms, cpuMs: (user + system) / 1_000 };
    },
    [Symbol.asyncDispose]: () => store.close(),
  };
}

const inQueue = ({ queue }: Opening) => (queue === undefined ? {} : { queue });

async function open({ place, concurrency, queue, onEnd }: Opening, flows: Definition[]) {
  const store = await openStore(place);
  const flujo = new Flujo({
    store,
    flows,
    worker: concurrency === undefined ? false : { concurrency, ...(queue !== undefined && { queues: [queue] }) },
    ...(onEnd && { observers: [{ observe: ({ kind }) => (kind === "run.ended" ? onEnd() : undefined) }] }),
  });
  return { flujo, close: () => flujo.close().finally(() => store.close()) };
}

export function unexpected(result: object): Error {
  return new Error(`unexpected result of a run: ${JSON.stringify(result).slice(0, 500)}`);
}
