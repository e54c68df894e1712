import type { WorkerOptions } from "../../src/worker/options.ts";
import { type Ended, Process } from "../crash/process.ts";
import type { ChaosTask } from "./worker.ts";

const WORKER = new URL("worker.ts", import.meta.url);

/** Leases short enough that a death is noticed within the time of a test, long enough for two busy cores. */
export const CHAOS_WORKER: WorkerOptions & { readonly lease: number } = {
  concurrency: 20,
  lease: 1_500,
  heartbeat: 400,
  sweep: 250,
  pollInterval: 400,
  drain: 2_000,
  // A fiber may meet as many deaths as there are; poisonous steps are another test's subject.
  maxDeliveries: 1_000,
};

interface Member {
  readonly process: Process;
  readonly ready: Promise<unknown>;
  /** A fault is doing something with it. */
  busy: boolean;
}

/** So many worker processes; whoever ends is replaced by another, under a name of its own. */
export class Crew implements AsyncDisposable {
  /** Ends that nobody asked for. */
  readonly surprises: string[] = [];
  readonly #task: Omit<ChaosTask, "name" | "worker">;
  readonly #members = new Set<Member>();
  #hired = 0;

  constructor(task: Omit<ChaosTask, "name" | "worker">) {
    this.#task = task;
  }

  get hired(): number {
    return this.#hired;
  }

  async hire(): Promise<void> {
    const name = `w${++this.#hired}`;
    const process = new Process(WORKER, { ...this.#task, name, worker: CHAOS_WORKER });
    const ready = process.said("ready");
    ready.catch(() => undefined); // it may be killed before it is ready
    const member: Member = { process, ready, busy: false };
    this.#members.add(member);
    void process.ended.then(async (ended) => {
      if (!this.#members.delete(member) || member.busy) return;
      await process.finished().catch((error: unknown) => this.surprises.push(`${name}: ${String(error)}`));
      if (ended.code === 0) this.surprises.push(`${name} ended without being asked`);
    });
  }

  /** Resolves when all of them have begun to work. */
  async ready(): Promise<void> {
    await Promise.all([...this.#members].map((member) => member.ready));
  }

  /** Does something to one of them that nothing else is being done to. False when there is none. */
  async with(
    choose: (count: number) => number,
    act: (process: Process) => Promise<Ended | undefined>,
  ): Promise<boolean> {
    const free = [...this.#members].filter(({ busy }) => !busy);
    const member = free[choose(free.length)];
    if (member === undefined) return false;
    member.busy = true;
    const ended = await act(member.process);
    member.busy = false;
    if (ended !== undefined) await this.hire();
    return true;
  }

  /** Asks all of them to stop. Answers what went wrong. */
  async stop(patienceMs: number): Promise<string[]> {
    const wrong: string[] = [];
    await Promise.all(
      [...this.#members].map(async (member) => {
        member.busy = true;
        await member.ready.catch(() => undefined);
        const ended = await endIn(member.process, patienceMs);
        if (ended === undefined) wrong.push(`a worker was still there ${patienceMs} ms after SIGTERM`);
        else if (ended.code !== 0) wrong.push(`a worker ended with ${ended.code ?? ended.signal} after SIGTERM`);
      }),
    );
    return wrong;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of this.#members) {
      member.busy = true;
      await member.process.kill();
    }
  }
}

/** SIGTERM; undefined when it has not ended in time. */
export async function endIn(process: Process, patienceMs: number): Promise<Ended | undefined> {
  process.signal("SIGTERM");
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), patienceMs);
  });
  const ended = await Promise.race([process.ended, patience]);
  clearTimeout(timer);
  return ended;
}
