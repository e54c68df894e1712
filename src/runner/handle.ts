import type { HistoryEvent } from "../domain/event.ts";
import type { RunId } from "../domain/ids.ts";
import { RunFailedError } from "../domain/failure.ts";
import { FlujoError } from "../domain/errors.ts";
import type { Flujo } from "./flujo.ts";
import type { SignalOptions } from "./messages.ts";
import type { RunDetails, RunResult } from "./result.ts";
import type { StreamItem } from "./stream.ts";
import { followRun } from "./stream.ts";

/** One run, to wait for, answer, signal, cancel and look at. */
export class RunHandle<Output = unknown> {
  readonly runId: RunId;
  readonly #flujo: Flujo;

  constructor(flujo: Flujo, id: RunId) {
    this.#flujo = flujo;
    this.runId = id;
  }

  /** Waits until the run has ended or, by default, until only people or signals can move it on. */
  async result(
    options: { readonly until?: "end" | "settled"; readonly signal?: AbortSignal } = {},
  ): Promise<RunResult<Output>> {
    return (await this.#flujo.result(this.runId, options)) as RunResult<Output>; // the handle was made for a flow with this output
  }

  /** The output. Rejects with RunFailedError when the run failed, with RUN_CANCELLED when it was cancelled. Waits for the end. */
  async output(options: { readonly signal?: AbortSignal } = {}): Promise<Output> {
    const result = await this.result({ ...options, until: "end" });
    if (result.status === "completed") return result.output;
    if (result.status === "failed") throw new RunFailedError(this.runId, result.failure);
    throw new FlujoError("RUN_CANCELLED", `run ${this.runId} was cancelled`);
  }

  get(): Promise<RunDetails> {
    return this.#flujo.get(this.runId);
  }

  history(): Promise<readonly HistoryEvent[]> {
    return this.#flujo.history(this.runId);
  }

  signal(name: string, data?: unknown, options?: SignalOptions): Promise<"delivered" | "duplicate"> {
    return this.#flujo.signal(this.runId, name, data, options);
  }

  async resume(
    answer: unknown,
    options?: { readonly token?: string; readonly signal?: AbortSignal },
  ): Promise<RunResult<Output>> {
    return (await this.#flujo.resume(this.runId, answer, options)) as RunResult<Output>;
  }

  cancel(reason?: string): Promise<"requested" | "ended"> {
    return this.#flujo.cancel(this.runId, reason);
  }

  /** History as it happens, and chunks emitted in this process; returns what the run came to. */
  async *events(): AsyncGenerator<StreamItem, RunResult<Output>, undefined> {
    return (yield* followRun(this.#flujo, this.runId)) as RunResult<Output>;
  }
}
