import type { HistoryEvent } from "../domain/event.ts";
import type { RunId } from "../domain/ids.ts";
import type { Definition } from "../definition/definition.ts";
import type { FlowContext, FlowInput, FlowOutput } from "../dsl/flow-type.ts";
import { Registry } from "../engine/registry.ts";
import { systemAmbient } from "../engine/system.ts";
import { Flujo } from "../runner/flujo.ts";
import type { FlowChoice } from "../runner/opened.ts";
import type { SignalOptions } from "../runner/messages.ts";
import type { FlujoOptions, StartOptions } from "../runner/options.ts";
import type { RunDetails, RunResult } from "../runner/result.ts";
import { MemoryStore } from "../stores/memory/store.ts";
import { macrotask, VirtualClock, virtualAmbient } from "./virtual-clock.ts";

export interface LocalRunnerOptions
  extends Pick<FlujoOptions, "flows" | "resources" | "hooks" | "strictHooks" | "observers" | "logger" | "at"> {
  /** Default: a new virtual clock. `"system"` = real time, and sleeps really sleep. */
  readonly clock?: VirtualClock | "system";
  /** Of chance and ids; the same seed gives the same run. Default 1. */
  readonly seed?: number;
}

/** What is known of a run: what it is at, and everything that was recorded of it. */
export interface Inspection extends RunDetails {
  readonly history: readonly HistoryEvent[];
}

/** Nothing else shares the store, so no lease has to be renewed: a year of virtual time shall not cost a million beats. */
const ONE_WORKER = {
  lease: "3650 days",
  heartbeat: "1000 days",
  sweep: "1000 days",
  pollInterval: "365 days",
  schedules: "365 days",
} as const;
const QUEUES: readonly string[] = ["default"];
/** Timers of the engine itself (a poll, a throttle) that ring before time goes on to what a run is waiting for. */
const NEAR_TIMERS = 4;

/**
 * An engine, a store and a worker in this process's memory, for tests and first steps. Time is virtual unless told otherwise:
 * while something is awaited and no step runs, it goes on to whatever is due next, so a sleep of a month takes no time.
 *
 *   await using runner = localRunner({ flows: [reminder] });
 *   const result = await runner.run(reminder, { to: "ada" }); // sleeps for 30 days, at once
 *
 * A step that hangs until its own timeout is not waited out by itself: `runner.clock.advance(ms)` does that.
 * Not durable, by intent. Source: Fluxo, LocalRunner.
 */
export class LocalRunner implements AsyncDisposable {
  /** Everything else a runner can do. What waits for time there needs `clock.advance`. */
  readonly flujo: Flujo;
  readonly #clock: VirtualClock | undefined;
  readonly #store: MemoryStore;
  readonly #registry = new Registry();
  #steps = 0;

  constructor({ clock = new VirtualClock(), seed = 1, at, ...options }: LocalRunnerOptions = {}) {
    this.#clock = clock === "system" ? undefined : clock;
    const ambient = clock === "system" ? systemAmbient : virtualAmbient({ clock, seed });
    this.#store = new MemoryStore({ clock: ambient.clock });
    for (const flow of options.flows ?? []) this.#registry.register(flow);
    this.flujo = new Flujo({
      ...options,
      store: this.#store,
      ambient,
      worker: clock === "system" ? {} : ONE_WORKER,
      at: async (point, where) => {
        if (point === "after-step") this.#steps -= 1;
        await at?.(point, where);
        if (point === "before-step") this.#steps += 1;
      },
    });
  }

  /** The virtual clock. Throws when this runner lives in real time. */
  get clock(): VirtualClock {
    if (this.#clock === undefined)
      throw new Error("this runner was made with the system's clock, which nobody can move");
    return this.#clock;
  }

  /** Makes a flow known. Throws DEFINITION_CONFLICT. */
  register(flow: Definition): Promise<void> {
    this.#registry.register(flow);
    return this.flujo.register(flow);
  }

  /** Starts a run and waits until it has ended, or until only people or signals can move it on. Throws like `Flujo.run`. */
  async run<F extends Definition>(
    flow: F,
    input: FlowInput<F>,
    options?: StartOptions<FlowContext<F>>,
  ): Promise<RunResult<FlowOutput<F>>>;
  async run(flow: FlowChoice, input: unknown, options?: StartOptions): Promise<RunResult>;
  async run(flow: FlowChoice, input: unknown, options: StartOptions = {}): Promise<RunResult> {
    this.#know(flow);
    return this.#whileTimePasses(this.flujo.run(flow, input, options));
  }

  /** Starts a run and answers its id at once; `await` it later. Throws like `Flujo.start`. */
  async start<F extends Definition>(
    flow: F,
    input: FlowInput<F>,
    options?: StartOptions<FlowContext<F>>,
  ): Promise<RunId>;
  async start(flow: FlowChoice, input: unknown, options?: StartOptions): Promise<RunId>;
  async start(flow: FlowChoice, input: unknown, options: StartOptions = {}): Promise<RunId> {
    this.#know(flow);
    return (await this.flujo.start(flow, input, options)).runId;
  }

  #know(flow: FlowChoice): void {
    if (typeof flow === "object" && "nodes" in flow) this.#registry.register(flow);
  }

  /** Waits until a run has ended or, by default, until only people or signals can move it on. Throws RUN_UNKNOWN. */
  await(run: string, options?: { readonly until?: "end" | "settled" }): Promise<RunResult> {
    return this.#whileTimePasses(this.flujo.result(run, options));
  }

  /** Sends a signal. Throws like `Flujo.signal`. */
  signal(run: string, name: string, data?: unknown, options?: SignalOptions): Promise<"delivered" | "duplicate"> {
    return this.flujo.signal(run, name, data, options);
  }

  /** Answers a human pause, then waits like `run`. Throws like `Flujo.resume`. */
  resume(run: string, answer: unknown, options?: { readonly token?: string }): Promise<RunResult> {
    return this.#whileTimePasses(this.flujo.resume(run, answer, options));
  }

  /** Asks a run to stop. Throws RUN_UNKNOWN. */
  cancel(run: string, reason?: string): Promise<"requested" | "ended"> {
    return this.flujo.cancel(run, reason);
  }

  /** What a run is at, and its history. Throws RUN_UNKNOWN. */
  async inspect(run: string): Promise<Inspection> {
    return { ...(await this.flujo.get(run)), history: await this.flujo.history(run) };
  }

  close(): Promise<void> {
    return this.#whileTimePasses(this.flujo.close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #whileTimePasses<T>(work: Promise<T>): Promise<T> {
    const clock = this.#clock;
    if (clock === undefined) return work;
    let settled = false;
    const over = (): void => {
      settled = true;
    };
    work.then(over, over);
    for (let rung = 0; ; ) {
      await macrotask();
      if (settled) return work;
      if (this.#steps > 0) continue; // a step may do real work, which takes real time
      if (rung < NEAR_TIMERS && clock.step()) {
        rung += 1;
        continue;
      }
      rung = 0;
      const due = await this.#store.nextDue({ queues: QUEUES, fingerprints: this.#registry.fingerprints });
      if (due !== undefined && due > clock.now()) clock.jump(due - clock.now());
      else clock.step();
    }
  }
}

/** A runner in memory and, by default, in virtual time. Source: Fluxo, LocalRunner. */
export const localRunner = (options?: LocalRunnerOptions): LocalRunner => new LocalRunner(options);
