import { Flujo, type RunHandle } from "flujo";
import type { WorkerOptions } from "../../src/worker/options.ts";
import { Process } from "../crash/process.ts";
import { completedSteps, eventually } from "../engine/reading.ts";
import { type Address, openAt } from "../setup/addresses.ts";
import { busy, FLOWS, held, slow, steady } from "./flows.ts";
import { sightings } from "./sightings.ts";
import type { RecoveryTask } from "./worker.ts";

const WORKER = new URL("worker.ts", import.meta.url);
const START_BATCH = 250;
const PATIENCE_MS = 120_000;

/** Where it takes place: a store, and a folder outside of it. */
export interface Ground {
  readonly address: Address;
  readonly ledger: string;
  /** Default: what a worker has by default. */
  readonly worker?: WorkerOptions;
}

/** Two workers, one after the other, and somebody who starts runs and looks. */
class Pair implements AsyncDisposable {
  readonly #ground: Ground;
  readonly #flujo: Flujo;
  readonly #store: AsyncDisposable;
  readonly #processes: Process[] = [];

  private constructor(ground: Ground, flujo: Flujo, store: AsyncDisposable) {
    this.#ground = ground;
    this.#flujo = flujo;
    this.#store = store;
  }

  static async on(ground: Ground): Promise<Pair> {
    const store = await openAt(ground.address);
    return new Pair(ground, new Flujo({ store, flows: FLOWS, worker: false }), store);
  }

  async hire(name: string): Promise<Process> {
    const { address, ledger, worker = {} } = this.#ground;
    const task: RecoveryTask = { name, address, ledger, worker };
    const one = new Process(WORKER, task);
    this.#processes.push(one);
    await one.said("ready");
    return one;
  }

  async start(flow: (typeof FLOWS)[number], input: number, count: number): Promise<RunHandle<number>[]> {
    const handles: RunHandle<number>[] = [];
    while (handles.length < count) {
      const batch = Math.min(START_BATCH, count - handles.length);
      handles.push(...(await Promise.all(Array.from({ length: batch }, () => this.#flujo.start(flow, input)))));
    }
    return handles;
  }

  /** Runs of which a step has begun in that worker. */
  in(worker: string): Map<string, number> {
    const first = new Map<string, number>();
    for (const { run, at } of sightings(this.#ground.ledger, worker)) if (!first.has(run)) first.set(run, at);
    return first;
  }

  begunIn(worker: string, count: number): Promise<unknown> {
    return eventually(`${count} runs to be in ${worker}`, () => this.in(worker).size >= count, PATIENCE_MS);
  }

  /** Places of steps that were recorded more than once. */
  async recordedTwice(handles: readonly RunHandle[]): Promise<string[]> {
    const twice: string[] = [];
    for (const { runId } of handles) {
      const places = await completedSteps(this.#flujo, runId);
      twice.push(...places.filter((place, i) => places.indexOf(place) < i).map((place) => `${runId} ${place}`));
    }
    return twice;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#processes) await one[Symbol.asyncDispose]();
    await this.#flujo.close();
    await this.#store[Symbol.asyncDispose]();
  }
}

const now = (): number => performance.timeOrigin + performance.now();
const outputs = (handles: readonly RunHandle<number>[]): Promise<number[]> =>
  Promise.all(handles.map((handle) => handle.output({ signal: AbortSignal.timeout(PATIENCE_MS) })));

export interface Adoption {
  /** From SIGKILL to the moment when the last of its runs was under way in the other worker. */
  readonly lastMs: number;
  readonly firstMs: number;
  readonly recordedTwice: readonly string[];
}

/** SIGKILL of a worker that holds so many runs, each in the midst of a step, so long after an idle one has come beside it. */
export async function adoption(ground: Ground, runs: number, afterMs = 0): Promise<Adoption> {
  await using pair = await Pair.on(ground);
  const doomed = await pair.hire("doomed");
  const handles = await pair.start(held, 7, runs);
  await pair.begunIn("doomed", runs);
  const heir = await pair.hire("heir");
  if (afterMs > 0) await new Promise((resolve) => setTimeout(resolve, afterMs));
  const killedAt = now();
  await doomed.kill();
  await pair.begunIn("heir", runs);
  const taken = [...pair.in("heir").values()];
  heir.tell("let go");
  await outputs(handles);
  return {
    firstMs: Math.min(...taken) - killedAt,
    lastMs: Math.max(...taken) - killedAt,
    recordedTwice: await pair.recordedTwice(handles),
  };
}

export interface Endurance {
  /** How often each of the steps began; once each is right. */
  readonly begun: readonly number[];
}

/** A step that computes and one that waits, both for longer than a lease, beside a worker that would take them over. */
export async function endurance(ground: Ground, busyMs: number, slowMs: number): Promise<Endurance> {
  await using pair = await Pair.on(ground);
  await Promise.all([pair.hire("one"), pair.hire("other")]);
  const handles = [...(await pair.start(slow, slowMs, 1)), ...(await pair.start(busy, busyMs, 1))];
  await outputs(handles);
  const all = [...sightings(ground.ledger, "one"), ...sightings(ground.ledger, "other")];
  return { begun: handles.map(({ runId }) => all.filter(({ run }) => run === runId).length) };
}

export interface HandOver {
  /** From SIGTERM to the moment when the last of its runs went on in the other worker. */
  readonly lastMs: number;
  /** Steps that were begun more than once. */
  readonly begunTwice: readonly string[];
  readonly code: number | null;
}

/** SIGTERM of a worker amid so many runs of short steps, beside one that is idle. */
export async function handOver(ground: Ground, runs: number, steps: number): Promise<HandOver> {
  await using pair = await Pair.on(ground);
  const leaving = await pair.hire("leaving");
  const handles = await pair.start(steady, steps, runs);
  await pair.begunIn("leaving", runs);
  await pair.hire("staying");
  const askedAt = now();
  leaving.signal("SIGTERM");
  await pair.begunIn("staying", runs);
  const lastMs = Math.max(...pair.in("staying").values()) - askedAt;
  const { code } = await leaving.ended;
  await outputs(handles);
  const begun = ["leaving", "staying"].flatMap((worker) =>
    sightings(ground.ledger, worker).map(({ run, path, visit }) => `${run} ${path} ${visit}`),
  );
  return { lastMs, begunTwice: begun.filter((step, i) => begun.indexOf(step) < i), code };
}
