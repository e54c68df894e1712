import type { HistoryEvent } from "../domain/event.ts";
import { runId as toRunId, type RunId } from "../domain/ids.ts";
import type { Definition } from "../definition/definition.ts";
import type { FlowContext, FlowInput, FlowOutput } from "../dsl/flow-type.ts";
import { forkRun, retryRun } from "../engine/revive.ts";
import type { ListQuery, Page } from "../ports/store.ts";
import type { Tail } from "./tail.ts";
import { followRun, Pieces, type StreamItem } from "./stream.ts";
import type { Engine } from "./engine.ts";
import { RunHandle } from "./handle.ts";
import type { SignalOptions } from "./messages.ts";
import type { RunOptions, StartOptions } from "./options.ts";
import type { RunDetails, RunResult, RunView } from "./result.ts";
import { checkedExport, exportRun, readExport, type RunExport } from "./export.ts";
import { type ReplayResult, replayExport } from "./replay.ts";
import { type UsageView, usageOf } from "./usage.ts";
import { why, type Why } from "./why.ts";
import { Tasks } from "./tasks.ts";
import type { FlowChoice } from "./opened.ts";

/**
 * Runs flows: starts them, works on them, answers them, looks at them. One per process is enough.
 *
 *   await using flujo = new Flujo({ store: "sqlite:./flujo.db", flows: [review] });
 *   const result = await flujo.run(review, { url: "https://example.org" });
 *
 * Opens its store at the first use and closes only what it opened. Source: Flujo, runner; Fluxo, Engine and Worker.
 */
export class Flujo extends Tasks {
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
    const engine = await (options.persist === false ? this.forgetful() : this.engine());
    let ending: Promise<RunResult> | undefined;
    const { id } = await engine.start(await this.known(engine, flow), input, options, (born) => {
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
    const store = this.forgetfulStore;
    if (store === undefined) return; // the whole store goes
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
    const engine = await this.engine();
    const { id } = await engine.start(await this.known(engine, flow), input, options);
    return new RunHandle(this, id);
  }

  /** Starts a run and yields its history as it happens, and what its steps `emit` here; ends with the run, or when it pauses. */
  async *stream<F extends Definition>(
    flow: F,
    input: FlowInput<F>,
    options?: StartOptions<FlowContext<F>>,
  ): AsyncGenerator<StreamItem, RunResult<FlowOutput<F>>, undefined> {
    const id = toRunId(options?.id ?? this.ambient.newId());
    const pieces = new Pieces(this.chunks, id); // before the start: its first step may emit at once
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
    const engine = await this.engine();
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
    const engine = await this.engine();
    await engine.messages.answer(toRunId(runId), answer, token);
    return engine.result(toRunId(runId), "settled", signal);
  }

  /** Answers a human pause and returns as soon as the answer is durable. Throws like `resume`. */
  async answer(runId: string, answer: unknown, { token }: { readonly token?: string } = {}): Promise<void> {
    const engine = await this.engine();
    await engine.messages.answer(toRunId(runId), answer, token);
  }

  /** Sends a signal. Kept when nobody waits for it yet; a repeated `id` changes nothing. Throws RUN_UNKNOWN, RUN_ENDED, SIGNAL_UNDECLARED, SIGNAL_INVALID. */
  async signal(
    runId: string,
    name: string,
    data?: unknown,
    options: SignalOptions = {},
  ): Promise<"delivered" | "duplicate"> {
    const engine = await this.engine();
    return engine.messages.signal(toRunId(runId), name, data, options);
  }

  /** Asks a run to stop: its steps are aborted, its compensations run, then it ends `cancelled`. Idempotent. */
  async cancel(runId: string, reason = "cancelled by the caller"): Promise<"requested" | "ended"> {
    const engine = await this.engine();
    return engine.cancel(toRunId(runId), reason);
  }

  /** A run with its open pauses, awaited signals and lines of execution. Throws RUN_UNKNOWN. */
  async get(runId: string): Promise<RunDetails> {
    return (await this.engine()).reader.details(toRunId(runId));
  }

  /** Runs, newest first, page by page. Throws FILTER_UNKNOWN, CURSOR_INVALID. */
  async list(query: ListQuery = {}): Promise<Page<RunView>> {
    return (await this.engine()).reader.list(query);
  }

  /** @internal */
  async tail(runId: RunId): Promise<Tail> {
    return (await this.engine()).tail(runId);
  }

  /** Everything that was recorded of a run, in order. Throws RUN_UNKNOWN. */
  async history(runId: string, { after = 0 }: { readonly after?: number } = {}): Promise<readonly HistoryEvent[]> {
    return (await this.engine()).reader.history(toRunId(runId), after);
  }

  /** Puts a failed or cancelled run back to work under its own id; finished steps are not repeated. Throws RUN_NOT_FAILED, RUN_COMPENSATED. */
  async retry(runId: string): Promise<RunHandle> {
    const { store, payloads, registry, ambient } = await this.engine();
    await retryRun({ store, payloads, registry, now: ambient.clock.now() }, toRunId(runId));
    return new RunHandle(this, toRunId(runId));
  }

  /** A new run that begins where an old one was after event `at` (default: its start), with another value if `input` is given. */
  async fork(
    runId: string,
    options: { readonly at?: number; readonly input?: unknown; readonly id?: string } = {},
  ): Promise<RunHandle> {
    const { store, payloads, registry, ambient } = await this.engine();
    const id = options.id === undefined ? (ambient.newId() as RunId) : toRunId(options.id);
    await forkRun({ store, payloads, registry, now: ambient.clock.now() }, toRunId(runId), { ...options, id });
    return new RunHandle(this, id);
  }

  /** What a run has spent so far, child runs that it waits for included. Throws RUN_UNKNOWN. Source: Flujo, run totals. */
  async usage(runId: string): Promise<UsageView> {
    const { reader } = await this.engine();
    return usageOf((run) => reader.history(run), toRunId(runId));
  }

  /** A whole run as plain JSON, for `replayFromTrace` where its store is not. Throws RUN_UNKNOWN. */
  async export(runId: string): Promise<RunExport> {
    return exportRun(await this.engine(), toRunId(runId));
  }

  /**
   * Runs a recorded run again here, with every result of a step, a model, a tool, a person and a timer as it was recorded: nothing
   * outside is called, nothing is stored. `identical` says whether the flow decides as it did then. What to replay: the id of a run
   * in the store, an export, or `{ file }`. Throws REPLAY_MISSING, EXPORT_INVALID, RUN_UNKNOWN, FLOW_UNKNOWN.
   * Source: Flujo, replay_from_trace.
   */
  async replayFromTrace<F extends Definition>(
    trace: string | RunExport | { readonly file: string },
    flow?: F,
  ): Promise<ReplayResult<FlowOutput<F>>>;
  async replayFromTrace(
    trace: string | RunExport | { readonly file: string },
    flow?: FlowChoice,
  ): Promise<ReplayResult> {
    const exported =
      typeof trace === "string" ? await this.export(trace) : isFile(trace) ? await readExport(trace.file) : trace;
    const { flow: name, version } = checkedExport(exported, "replayFromTrace").run;
    return replayExport(this.find(flow ?? { name, version }), exported);
  }

  /** Why a run does not go on, in sentences. */
  async why(runId: string): Promise<Why> {
    const engine = await this.engine();
    return why(engine, toRunId(runId));
  }
}

const isFile = (trace: unknown): trace is { readonly file: string } =>
  typeof trace === "object" && trace !== null && "file" in trace;
