import { runId as toRunId } from "../domain/ids.ts";
import { decode, encode } from "../domain/wire.ts";
import type { ListQuery, Page } from "../ports/store.ts";
import { Opened } from "./opened.ts";
import type { FlujoOptions } from "./options.ts";
import { answerSchema, contextIn, type StepView, stepsOf } from "./task-view.ts";
import type { Pause, RunDetails, RunResult, RunView } from "./result.ts";

export type TaskClientOptions = Pick<FlujoOptions, "store" | "flows" | "governance" | "ambient">;

/** An open question with what an answer to it has to be. */
export interface Question extends Pause {
  /** JSON Schema, where the flow says what an answer has to be and its schema can say it. */
  readonly schema?: unknown;
}

/** A run as a dashboard shows it. */
export interface TaskDetails extends RunDetails {
  /** The context as it was last recorded, of the run itself and not of its branches. */
  readonly context: unknown;
  /** Steps in the order in which they ended, failed attempts included. */
  readonly steps: readonly StepView[];
  readonly questions: readonly Question[];
  /** What the last of the open questions asks. */
  readonly lastPrompt?: unknown;
}

const SYSTEM_STATE = "system-state";

/**
 * For dashboards and webhooks: lists runs, shows them, answers what they ask, and works on none; workers elsewhere do. (A store in
 * memory has only this process: there it also works on runs of the flows that it is given.)
 *
 *   await using tasks = new TaskClient({ store: "postgres://…" });
 *   const { items } = await tasks.listTasks({ status: "paused", metadata: { customer: "a" } });
 *
 * With `flows` answers are checked before they are sent; without, the worker checks them, and the run stays paused for a wrong one.
 * Closes only a store that it opened. Source: Flujo, TaskClient.
 */
export class TaskClient extends Opened {
  constructor({ store, flows, governance, ambient }: TaskClientOptions = {}) {
    super({
      ...(store !== undefined && { store }),
      ...(flows && { flows }),
      ...(governance && { governance }),
      ...(ambient && { ambient }),
      worker: false,
    });
  }

  /** Runs, newest first, page by page. Throws FILTER_UNKNOWN, CURSOR_INVALID. */
  async listTasks(
    query: Pick<ListQuery, "status" | "flow" | "metadata" | "limit" | "cursor"> = {},
  ): Promise<Page<RunView>> {
    return (await this.engine()).reader.list(query);
  }

  /** A run with its context, its steps and what it asks. Throws RUN_UNKNOWN. */
  async getTask(runId: string): Promise<TaskDetails> {
    const { reader, store } = await this.engine();
    const details = await reader.details(toRunId(runId));
    const history = await reader.history(details.id);
    const questions: Question[] = [];
    for (const pause of details.pauses) {
      const { fingerprint } = await reader.record(pause.runId);
      const schema = answerSchema((await store.definition(fingerprint))?.described, pause.path);
      questions.push({ ...pause, ...(schema !== undefined && { schema }) });
    }
    const last = questions.at(-1);
    return {
      ...details,
      context: decode(contextIn(history)),
      steps: stepsOf(history),
      questions,
      ...(last && { lastPrompt: last.question }),
    };
  }

  /**
   * Answers what a run asks, durably; a worker goes on with it. With `wait` it also waits until the run has ended or asks again.
   * With several open questions name one by `token`. Throws PAUSE_UNKNOWN, PAUSE_AMBIGUOUS, RUN_UNKNOWN, RUN_ENDED, ANSWER_INVALID.
   */
  async resumeTask(
    runId: string,
    answer: unknown,
    options: ResumeTaskOptions & { readonly wait: true },
  ): Promise<RunResult>;
  async resumeTask(runId: string, answer: unknown, options?: ResumeTaskOptions): Promise<undefined>;
  async resumeTask(
    runId: string,
    answer: unknown,
    { token, wait = false, signal }: ResumeTaskOptions = {},
  ): Promise<RunResult | undefined> {
    const engine = await this.engine();
    const id = toRunId(runId);
    await engine.messages.answer(id, answer, token);
    return wait ? engine.result(id, "settled", signal) : undefined;
  }

  /** What was kept under a key, for example how far a connector has read; undefined when there is nothing. */
  async getSystemState(key: string): Promise<unknown> {
    const [item] = await (await this.engine()).store.getItems([{ collection: SYSTEM_STATE, key }]);
    return item === undefined ? undefined : decode(item.value);
  }

  /** Keeps plain data under a key of 1 to 512 characters, in place of what was there; undefined removes it. Throws OPTION_INVALID, VALUE_NOT_SERIALIZABLE. */
  async setSystemState(key: string, value: unknown): Promise<void> {
    const { store } = await this.engine();
    if (value === undefined) {
      await store.removeItems([{ collection: SYSTEM_STATE, key }]);
      return;
    }
    const [outcome] = await store.putItems([{ collection: SYSTEM_STATE, key, value: encode(value) }]);
    if (outcome?.status === "rejected") throw outcome.error;
  }
}

export interface ResumeTaskOptions {
  readonly token?: string;
  /** Also wait for what comes of it. Default false. */
  readonly wait?: boolean;
  /** Stops waiting; the answer is given. */
  readonly signal?: AbortSignal;
}
