import { runId } from "../domain/ids.ts";
import { Background, type BackgroundTask, type RetriedTask } from "./background.ts";
import type { RunHandle } from "./handle.ts";
import { Operations } from "./operations.ts";

const HOURS = 24;
const RETRIES = 3;

/**
 * What can be done about tasks in the background: steps with `executionMode: "background"`, and flows that `.background` starts.
 * They are runs; the id of a task is that of its run, so `get`, `history`, `cancel` and `resume` are for them, too.
 * Source: Flujo, background tasks.
 */
export abstract class Tasks extends Operations {
  abstract handle(runId: string): RunHandle;

  /**
   * Tasks that failed, newest first: of one parent, or of all that were launched in the last `hoursBack` hours (24). One that was
   * resumed with another input is not listed: what it was resumed as is. Throws OPTION_INVALID.
   */
  async failedBackgroundTasks({
    parentRunId,
    hoursBack = HOURS,
  }: {
    readonly parentRunId?: string;
    readonly hoursBack?: number;
  } = {}): Promise<readonly BackgroundTask[]> {
    return (await this.#background()).failed({ parentRunId, hoursBack });
  }

  /**
   * Puts a failed or cancelled task back to work. Without an input under its own id: what it had finished is not repeated. With
   * another input as a new run, of the same parent: the input of a run, and the keys under which others know its work, never change.
   * A task that waits for an answer is given one with `resume`. Throws BACKGROUND_UNKNOWN, RUN_NOT_FAILED, RUN_COMPENSATED,
   * FLOW_UNKNOWN, INPUT_INVALID.
   */
  async resumeBackgroundTask(taskId: string, { input }: { readonly input?: unknown } = {}): Promise<RunHandle> {
    return this.handle(await (await this.#background()).resume(runId(taskId), input));
  }

  /**
   * Puts all failed tasks of a run back to work, each at most `maxRetries` times (3) in its life, and says of each what became of
   * it. Pauses between attempts are the business of the retry policy of the step. Throws OPTION_INVALID.
   */
  async retryFailedBackgroundTasks(
    parentRunId: string,
    { maxRetries = RETRIES }: { readonly maxRetries?: number } = {},
  ): Promise<readonly RetriedTask[]> {
    return (await this.#background()).retryFailed(parentRunId, maxRetries);
  }

  /** Cancels tasks that have not ended `hours` (24) after they were launched, also those that wait; gives their ids. Throws OPTION_INVALID. */
  async cleanupStaleBackgroundTasks({ hours = HOURS }: { readonly hours?: number } = {}): Promise<readonly string[]> {
    return (await this.#background()).cleanUp(hours);
  }

  async #background(): Promise<Background> {
    return new Background(await this.engine());
  }
}
