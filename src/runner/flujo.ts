import { FlujoError } from "../domain/errors.ts";
import type { HistoryEvent } from "../domain/event.ts";
import { runId as toRunId, type RunId } from "../domain/ids.ts";
import { type EndStatus, END_STATUSES } from "../domain/run.ts";
import { stateUri } from "../config/state-uri.ts";
import type { Definition } from "../definition/definition.ts";
import type { FlowContext, FlowInput, FlowOutput } from "../dsl/flow-type.ts";
import { checkInvariants } from "../engine/invariants.ts";
import { Registry } from "../engine/registry.ts";
import { forkRun, retryRun } from "../engine/revive.ts";
import { systemAmbient } from "../engine/system.ts";
import { Fanout } from "../observe/fanout.ts";
import type { ListQuery, Page, Store } from "../ports/store.ts";
import { MemoryStore } from "../stores/memory/store.ts";
import type { Tail } from "./tail.ts";
import { Chunks, followRun, Pieces, type StreamItem } from "./stream.ts";
import { assemble } from "./assemble.ts";
import type { Engine } from "./engine.ts";
import { RunHandle } from "./handle.ts";
import type { SignalOptions } from "./messages.ts";
import { openStore } from "./open-store.ts";
import type { FlujoOptions, RunOptions, StartOptions } from "./options.ts";
import type { RunDetails, RunResult, RunView } from "./result.ts";
import { type QueueOptions, queueRules, type QueueView, queueView } from "./queues.ts";
import type { ScheduleOptions, ScheduleView } from "./schedules.ts";
import { why, type Why } from "./why.ts";
import { type WorkerView, workerView } from "./workers.ts";

/** A flow by value, or by name (and version when several are registered). */
export type FlowChoice = Definition | string | { readonly name: string; readonly version?: string };

/**
 * Runs flows: starts them, works on them, answers them, looks at them. One per process is enough.
 *
 *   await using flujo = new Flujo({ store: "sqlite:./flujo.db", flows: [review] });
 *   const result = await flujo.run(review, { url: "https://example.org" });
 *
 * Opens its store at the first use and closes only what it opened. Source: Flujo, runner; Fluxo, Engine and Worker.
 */
export class Flujo implements AsyncDisposable {
  readonly #options: FlujoOptions;
  readonly #registry = new Registry();
  readonly #fanout: Fanout | undefined;
  readonly #chunks = new Chunks();
  #opening: Promise<Engine> | undefined;
  #ephemeral: Promise<Engine> | undefined;
  #ephemeralStore: MemoryStore | undefined;
  #closing: Promise<void> | undefined;

  /** Throws DEFINITION_CONFLICT when two flows of one name and version differ. */
  constructor(options: FlujoOptions = {}) {
    this.#options = options;
    for (const flow of options.flows ?? []) this.#registry.register(flow);
    this.#fanout = options.observers?.length ? new Fanout(options.observers) : undefined;
  }

  /** Opens the store and begins to work, now instead of at the first use. Throws what the store throws. */
  async open(): Promise<this> {
    await this.#engine();
    return this;
  }

  /** Makes another flow known. Idempotent. Throws DEFINITION_CONFLICT, TRANSACTIONS_UNSUPPORTED. */
  async register(flow: Definition): Promise<void> {
    const engine = await this.#opening;
    engine?.check(flow);
    this.#registry.register(flow);
    await engine?.storeDefinitions();
    engine?.worker?.wake();
  }

  /**
   * Starts a run and waits until it has ended, or until it waits for people or signals: also when a deadline would move it on
   * some day (`result({ until: "end" })` waits for that).
   *
   * A run that fails resolves with `status: "failed"`; only misuse and a store that cannot be reached reject:
   * INPUT_INVALID, CONTEXT_INVALID, FLOW_UNKNOWN, RUN_EXISTS, STORE_….
   */
  async run<F extends Definition>(
    flow: F,
    input: FlowInput<F>,
    options?: RunOptions<FlowContext<F>>,
  ): Promise<RunResult<FlowOutput<F>>>;
  async run(flow: FlowChoice, input: unknown, options?: RunOptions): Promise<RunResult>;
  async run(flow: FlowChoice, input: unknown, options: RunOptions = {}): Promise<RunResult> {
    const engine = await (options.persist === false ? this.#forgetful() : this.#engine());
    let ending: Promise<RunResult> | undefined;
    const { id } = await engine.start(await this.#known(engine, flow), input, options, (born) => {
      ending = engine.waiters.wait(born, "settled", options.signal);
    });
    if (ending === undefined) return engine.result(id, "settled", options.signal);
    if (options.persist !== false) return ending;
    try {
      return await ending;
    } finally {
      await this.#forget(engine, id);
    }
  }

  /** A run that is not persisted goes with its end, also when nobody waits for that any more. */
  async #forget(engine: Engine, id: RunId): Promise<void> {
    const store = this.#ephemeralStore;
    if (this.#closing !== undefined || store === undefined) return; // the whole store goes
    if (await engine.isOver(id)) return store.forgetFamily(id);
    engine.waiters.wait(id, "end").then(
      () => store.forgetFamily(id),
      () => undefined, // closed
    );
  }

  /** Starts a run and returns at once, as soon as its start is durable. */
  async start<F extends Definition>(
    flow: F,
    input: FlowInput<F>,
    options?: StartOptions<FlowContext<F>>,
  ): Promise<RunHandle<FlowOutput<F>>>;
  async start(flow: FlowChoice, input: unknown, options?: StartOptions): Promise<RunHandle>;
  async start(flow: FlowChoice, input: unknown, options: StartOptions = {}): Promise<RunHandle> {
    const engine = await this.#engine();
    const { id } = await engine.start(await this.#known(engine, flow), input, options);
    return new RunHandle(this, id);
  }

  /** A flow may be used without having been named before. */
  async #known(engine: Engine, flow: FlowChoice): Promise<Definition> {
    const definition = this.#find(flow);
    engine.check(definition);
    this.#registry.register(definition);
    await engine.storeDefinitions();
    return definition;
  }

  /** Starts a run and yields its history as it happens, and what its steps `emit` here; ends with the run, or when it pauses. */
  async *stream<F extends Definition>(
    flow: F,
    input: FlowInput<F>,
    options?: StartOptions<FlowContext<F>>,
  ): AsyncGenerator<StreamItem, RunResult<FlowOutput<F>>, undefined> {
    const id = toRunId(options?.id ?? (this.#options.ambient ?? systemAmbient).newId());
    const pieces = new Pieces(this.#chunks, id); // before the start: its first step may emit at once
    try {
      await this.start(flow, input, { ...options, id });
    } catch (error) {
      pieces.stop();
      throw error;
    }
    return (yield* followRun(this, id, pieces)) as RunResult<FlowOutput<F>>;
  }

  /** A handle on a run that exists. */
  handle(runId: string): RunHandle {
    return new RunHandle(this, toRunId(runId));
  }

  /** The result of a run: waits until it has ended or, by default, until only people or signals can move it on. */
  async result(
    runId: string,
    { until = "settled", signal }: { readonly until?: "end" | "settled"; readonly signal?: AbortSignal } = {},
  ): Promise<RunResult> {
    const engine = await this.#engine();
    return engine.result(toRunId(runId), until, signal);
  }

  /**
   * Answers a human pause, then waits like `run`. With several open pauses name one by `token`.
   * Throws PAUSE_UNKNOWN, PAUSE_AMBIGUOUS, RUN_ENDED, ANSWER_INVALID (the run is still paused).
   */
  async resume(
    runId: string,
    answer: unknown,
    { token, signal }: { readonly token?: string; readonly signal?: AbortSignal } = {},
  ): Promise<RunResult> {
    const engine = await this.#engine();
    await engine.messages.answer(toRunId(runId), answer, token);
    return engine.result(toRunId(runId), "settled", signal);
  }

  /** Answers a human pause and returns as soon as the answer is durable. Throws like `resume`. */
  async answer(runId: string, answer: unknown, { token }: { readonly token?: string } = {}): Promise<void> {
    const engine = await this.#engine();
    await engine.messages.answer(toRunId(runId), answer, token);
  }

  /** Sends a signal. Kept when nobody waits for it yet; a repeated `id` changes nothing. Throws RUN_UNKNOWN, RUN_ENDED, SIGNAL_UNDECLARED, SIGNAL_INVALID. */
  async signal(
    runId: string,
    name: string,
    data?: unknown,
    options: SignalOptions = {},
  ): Promise<"delivered" | "duplicate"> {
    const engine = await this.#engine();
    return engine.messages.signal(toRunId(runId), name, data, options);
  }

  /** Asks a run to stop: its steps are aborted, its compensations run, then it ends `cancelled`. Idempotent. */
  async cancel(runId: string, reason = "cancelled by the caller"): Promise<"requested" | "ended"> {
    const engine = await this.#engine();
    return engine.cancel(toRunId(runId), reason);
  }

  /** A run with its open pauses, awaited signals and lines of execution. Throws RUN_UNKNOWN. */
  async get(runId: string): Promise<RunDetails> {
    return (await this.#engine()).reader.details(toRunId(runId));
  }

  /** Runs, newest first, page by page. Throws FILTER_UNKNOWN, CURSOR_INVALID. */
  async list(query: ListQuery = {}): Promise<Page<RunView>> {
    return (await this.#engine()).reader.list(query);
  }

  /** @internal */
  async tail(runId: RunId): Promise<Tail> {
    return (await this.#engine()).tail(runId);
  }

  /** Everything that was recorded of a run, in order. Throws RUN_UNKNOWN. */
  async history(runId: string, { after = 0 }: { readonly after?: number } = {}): Promise<readonly HistoryEvent[]> {
    return (await this.#engine()).reader.history(toRunId(runId), after);
  }

  /** Puts a failed or cancelled run back to work under its own id; finished steps are not repeated. Throws RUN_NOT_FAILED, RUN_COMPENSATED. */
  async retry(runId: string): Promise<RunHandle> {
    const { store, payloads, registry, ambient } = await this.#engine();
    await retryRun({ store, payloads, registry, now: ambient.clock.now() }, toRunId(runId));
    return new RunHandle(this, toRunId(runId));
  }

  /** A new run that begins where an old one was after event `at` (default: its start), with another value if `input` is given. */
  async fork(
    runId: string,
    options: { readonly at?: number; readonly input?: unknown; readonly id?: string } = {},
  ): Promise<RunHandle> {
    const { store, payloads, registry, ambient } = await this.#engine();
    const id = options.id === undefined ? (ambient.newId() as RunId) : toRunId(options.id);
    await forkRun({ store, payloads, registry, now: ambient.clock.now() }, toRunId(runId), { ...options, id });
    return new RunHandle(this, id);
  }

  /** Why a run does not go on, in sentences. */
  async why(runId: string): Promise<Why> {
    const engine = await this.#engine();
    return why(engine, toRunId(runId));
  }

  /**
   * Sets the rules of a queue, whole, over all workers of the store; without any rule the queue is free again. They hold for
   * what begins from then on. Throws OPTION_INVALID, QUEUE_RULES_UNSUPPORTED.
   */
  async setQueue(name: string, rules: QueueOptions): Promise<void> {
    await (await this.#engine()).putQueues([queueRules(name, rules)]);
  }

  /** Queues that have rules, by name. */
  async queues(): Promise<readonly QueueView[]> {
    const { store } = await this.#engine();
    return store.capabilities.queueRules ? (await store.queueRules()).map(queueView) : [];
  }

  /** Workers of the store: where they run, which queues they serve, which flows they know, how much they hold. */
  async workers(): Promise<readonly WorkerView[]> {
    const { store, ambient } = await this.#engine();
    return (await store.workers()).map((one) => workerView(one, ambient.clock.now()));
  }

  /**
   * Makes a schedule, or replaces the one of that id; saying the same again changes nothing. Each tick starts one run, whose id
   * is `<schedule>:<tick>`, however many workers there are. Throws SCHEDULE_INVALID, INPUT_INVALID, FLOW_UNKNOWN.
   *
   *   await flujo.schedule("nightly", { flow: report, cron: "0 3 * * *", timezone: "Europe/Berlin", input: { days: 1 } });
   */
  async schedule<F extends Definition>(id: string, options: ScheduleOptions<F, FlowInput<F>>): Promise<ScheduleView>;
  async schedule(id: string, options: ScheduleOptions<FlowChoice>): Promise<ScheduleView>;
  async schedule(id: string, { flow, ...options }: ScheduleOptions<FlowChoice>): Promise<ScheduleView> {
    const engine = await this.#engine();
    return engine.schedules.put(id, await this.#known(engine, flow), options);
  }

  /** All schedules of the store, by id. */
  async schedules(): Promise<readonly ScheduleView[]> {
    return (await this.#engine()).schedules.list();
  }

  /** Ends a schedule; its runs go on. Answers whether there was one. */
  async unschedule(id: string): Promise<boolean> {
    return (await this.#engine()).schedules.remove(id);
  }

  /** Lets a schedule rest until `resumeSchedule`. Throws SCHEDULE_UNKNOWN. */
  async pauseSchedule(id: string): Promise<ScheduleView> {
    return (await this.#engine()).schedules.pause(id, true);
  }

  /** Goes on with the next tick; those of the pause are not made up for. Throws SCHEDULE_UNKNOWN. */
  async resumeSchedule(id: string): Promise<ScheduleView> {
    return (await this.#engine()).schedules.pause(id, false);
  }

  /** Looks at the whole store for broken invariants; an empty list is health. */
  async doctor(): Promise<readonly string[]> {
    const { store, ambient } = await this.#engine();
    return checkInvariants(store, { now: ambient.clock.now() });
  }

  /** Deletes runs that ended before a time, history and all. Runs that have not ended are never touched. */
  async prune({
    endedBefore,
    statuses = END_STATUSES,
    limit,
  }: {
    readonly endedBefore: Date | number;
    readonly statuses?: readonly EndStatus[];
    readonly limit?: number;
  }): Promise<number> {
    const { store } = await this.#engine();
    return store.prune({ endedBefore: Number(endedBefore), statuses, ...(limit !== undefined && { limit }) });
  }

  /** @internal Items that steps of a run emit in this process. */
  get chunks(): Chunks {
    return this.#chunks;
  }

  /** Lets running steps finish, hands work back, closes what was opened. Idempotent, safe at any time. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    for (const opening of [this.#opening, this.#ephemeral]) {
      const engine = await opening?.catch(() => undefined); // whoever asked for it was told why it could not open
      await engine?.close();
      if (engine !== undefined && (opening === this.#ephemeral || this.#ownsStore)) await engine.store.close();
    }
    await this.#fanout?.close();
  }

  get #ownsStore(): boolean {
    return this.#options.store === undefined || typeof this.#options.store === "string";
  }

  #find(flow: FlowChoice): Definition {
    if (typeof flow === "string") return this.#registry.find(flow);
    return "nodes" in flow ? flow : this.#registry.find(flow.name, flow.version);
  }

  #engine(): Promise<Engine> {
    if (this.#closing !== undefined) return Promise.reject(new FlujoError("CLOSED", "this Flujo was closed"));
    if (this.#opening === undefined) {
      const opening = this.#openEngine();
      this.#opening = opening;
      opening.catch(() => {
        if (this.#opening === opening) this.#opening = undefined; // the next call tries again
      });
    }
    return this.#opening;
  }

  async #openEngine(): Promise<Engine> {
    const { store = await stateUri(), ambient } = this.#options;
    const opened: Store =
      typeof store === "string" ? await openStore(store, ambient && { clock: ambient.clock }) : await store;
    return this.#assemble(opened);
  }

  /** Runs with `persist: false` live here: same engine, memory store, no history. */
  #forgetful(): Promise<Engine> {
    if (this.#closing !== undefined) return Promise.reject(new FlujoError("CLOSED", "this Flujo was closed"));
    const { ambient = systemAmbient } = this.#options;
    this.#ephemeralStore ??= new MemoryStore({ clock: ambient.clock, history: false });
    return (this.#ephemeral ??= this.#assemble(this.#ephemeralStore));
  }

  async #assemble(store: Store): Promise<Engine> {
    const engine = assemble(this.#options, {
      store,
      registry: this.#registry,
      fanout: this.#fanout,
      chunks: this.#chunks,
      ephemeral: store === this.#ephemeralStore,
    });
    await engine.open();
    return engine;
  }
}
