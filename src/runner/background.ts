import { canonical } from "../domain/canonical.ts";
import { categoryOf, type ErrorCategory } from "../domain/error-category.ts";
import { FlujoError } from "../domain/errors.ts";
import type { Fact } from "../domain/event.ts";
import type { Failure } from "../domain/failure.ts";
import { type RunId, runId as toRunId } from "../domain/ids.ts";
import type { ParentRef, RunRecord, RunStatus } from "../domain/run.ts";
import { sha256 } from "../domain/sha256.ts";
import { encode } from "../domain/wire.ts";
import { forkRun, retryRun } from "../engine/revive.ts";
import type { ListQuery } from "../ports/store.ts";
import type { Engine } from "./engine.ts";

/** A run that another one started and does not wait for. */
export interface BackgroundTask {
  /** The id of its run. */
  readonly taskId: RunId;
  readonly runId: RunId;
  readonly parentRunId: RunId;
  /** Of the step that launched it; the name of its flow where the history of its parent is gone. */
  readonly stepName: string;
  readonly status: RunStatus;
  readonly category: ErrorCategory;
  readonly error: Failure;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** What became of a failed task that was to be retried. */
export type RetriedTask =
  | { readonly outcome: "retried"; readonly task: BackgroundTask }
  /** It has been retried as often as was allowed, and is left as it is. */
  | { readonly outcome: "exhausted"; readonly task: BackgroundTask }
  /** It cannot go on: its flow is not registered here, or its compensations have run. */
  | { readonly outcome: "refused"; readonly task: BackgroundTask; readonly error: FlujoError };

const HOUR_MS = 3_600_000;
const PAGE = 1_000;
/** What a failed task was resumed as, with another input: it is not listed any more. */
const RESUMED = "background-resumed";
const RESUMED_DAYS = 30;
const OPEN: readonly RunStatus[] = ["pending", "running", "paused", "waiting"];

/** Tasks in the background are detached child runs: found, put back to work and stopped here. Source: Flujo, background tasks. */
export class Background {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async failed({
    parentRunId,
    hoursBack,
  }: {
    readonly parentRunId?: string | undefined;
    readonly hoursBack?: number | undefined;
  }): Promise<readonly BackgroundTask[]> {
    const since = hoursBack === undefined ? undefined : this.#hoursAgo("hoursBack", hoursBack);
    const query = {
      status: "failed",
      ...(parentRunId !== undefined && { parent: toRunId(parentRunId) }),
      ...(since !== undefined && { createdAfter: since }),
    } satisfies ListQuery;
    const steps = new LaunchedSteps(this.#engine);
    const tasks: BackgroundTask[] = [];
    for await (const page of this.#detached(query)) {
      const resumed = await this.#engine.store.getItems(page.map(({ id }) => ({ collection: RESUMED, key: id })));
      for (const [i, record] of page.entries())
        if (resumed[i] === undefined && record.failure !== undefined)
          tasks.push(taskOf(record, record.failure, await steps.nameOf(record)));
    }
    return tasks;
  }

  /** The id of the run that goes on: the task itself, or with another input a fork of it. */
  async resume(task: RunId, input: unknown): Promise<RunId> {
    const record = await this.#engine.store.load(task);
    if (record === undefined || !isDetached(record))
      throw new FlujoError("BACKGROUND_UNKNOWN", `no task in the background has the id "${task}"`, {
        details: { taskId: task },
      });
    if (input === undefined) {
      await retryRun(this.#revival(), task);
      return task;
    }
    if (record.status !== "failed" && record.status !== "cancelled")
      throw new FlujoError("RUN_NOT_FAILED", `expected a failed or cancelled task but ${task} is ${record.status}`);
    return this.#resumeAs(task, input);
  }

  /** A task with another input is another run: under its old keys others would answer what they answered to the old input. */
  async #resumeAs(task: RunId, input: unknown): Promise<RunId> {
    const { store, ambient } = this.#engine;
    const id = toRunId(`b-${sha256(`${task}/${canonical(encode(input))}`).slice(0, 32)}`);
    try {
      await forkRun(this.#revival(), task, { id, input, sameParent: true });
    } catch (error) {
      if (!(error instanceof FlujoError) || error.code !== "RUN_EXISTS") throw error;
      await this.#again(id); // resumed with this input before
    }
    const expiresAt = ambient.clock.now() + RESUMED_DAYS * 24 * HOUR_MS;
    const [kept] = await store.putItems([{ collection: RESUMED, key: task, value: { as: id }, expiresAt }]);
    if (kept?.status === "rejected") throw kept.error;
    return id;
  }

  async #again(id: RunId): Promise<void> {
    if ((await this.#engine.store.load(id))?.status === "failed") await retryRun(this.#revival(), id);
  }

  async retryFailed(parentRunId: string, maxRetries: number): Promise<readonly RetriedTask[]> {
    if (!Number.isInteger(maxRetries) || maxRetries < 1)
      throw new FlujoError(
        "OPTION_INVALID",
        `maxRetries: expected a whole number of at least 1 but found ${maxRetries}`,
      );
    const outcomes: RetriedTask[] = [];
    for (const task of await this.failed({ parentRunId })) {
      if ((await this.#retries(task.taskId)) >= maxRetries) outcomes.push({ outcome: "exhausted", task });
      else outcomes.push(await this.#retry(task));
    }
    return outcomes;
  }

  async #retry(task: BackgroundTask): Promise<RetriedTask> {
    try {
      await retryRun(this.#revival(), task.taskId);
      return { outcome: "retried", task };
    } catch (error) {
      if (error instanceof FlujoError && REFUSALS.has(error.code)) return { outcome: "refused", task, error };
      throw error;
    }
  }

  async #retries(task: RunId): Promise<number> {
    const events = await this.#engine.store.history(task);
    return events
      .flatMap(({ facts }) => facts as unknown as readonly Fact[])
      .filter(({ type }) => type === "run.retried").length;
  }

  /** The ids of the tasks that were asked to stop. */
  async cleanUp(hours: number): Promise<readonly RunId[]> {
    const stale: RunId[] = [];
    const reason = `not ended ${hours} hours after it was launched`;
    for await (const page of this.#detached({ status: OPEN, createdBefore: this.#hoursAgo("hours", hours) }))
      for (const { id } of page) if ((await this.#engine.cancel(id, reason)) === "requested") stale.push(id);
    return stale;
  }

  async *#detached(query: ListQuery): AsyncGenerator<readonly Detached[], void, undefined> {
    let cursor: string | undefined;
    do {
      const page = await this.#engine.store.list({ ...query, limit: PAGE, ...(cursor !== undefined && { cursor }) });
      yield page.items.filter(isDetached);
      cursor = page.next;
    } while (cursor !== undefined);
  }

  #revival(): Parameters<typeof retryRun>[0] {
    const { store, payloads, registry, ambient } = this.#engine;
    return { store, payloads, registry, now: ambient.clock.now() };
  }

  #hoursAgo(option: string, hours: number): number {
    if (!Number.isFinite(hours) || hours < 0)
      throw new FlujoError("OPTION_INVALID", `${option}: expected a number of at least 0 but found ${hours}`);
    return this.#engine.ambient.clock.now() - hours * HOUR_MS;
  }
}

const REFUSALS: ReadonlySet<string> = new Set(["FLOW_UNKNOWN", "RUN_COMPENSATED", "RUN_NOT_FAILED"]);

type Detached = RunRecord & { readonly parent: ParentRef };

const isDetached = (record: RunRecord): record is Detached => record.parent?.reply === "";

function taskOf(record: Detached, error: Failure, stepName: string): BackgroundTask {
  const { id, parent, status, createdAt, startedAt, endedAt } = record;
  return {
    taskId: id,
    runId: id,
    parentRunId: parent.run,
    stepName,
    status,
    category: categoryOf(error),
    error,
    createdAt: new Date(createdAt),
    updatedAt: new Date(endedAt ?? startedAt ?? createdAt),
  };
}

/** Which step launched a task stands in the history of its parent, which is read once. */
class LaunchedSteps {
  readonly #engine: Engine;
  readonly #ofParent = new Map<RunId, Promise<ReadonlyMap<RunId, string>>>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async nameOf({ id, flow, parent }: Detached): Promise<string> {
    const known = this.#ofParent.get(parent.run) ?? this.#read(parent.run);
    this.#ofParent.set(parent.run, known);
    return (await known).get(id) ?? flow;
  }

  async #read(parent: RunId): Promise<ReadonlyMap<RunId, string>> {
    const steps = new Map<RunId, string>();
    for (const { facts } of await this.#engine.store.history(parent))
      for (const fact of facts as unknown as readonly Fact[])
        if (fact.type === "call.started")
          for (const run of fact.runs) steps.set(run, fact.path.split("/").at(-1) ?? "");
    return steps;
  }
}
