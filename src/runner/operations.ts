import { type EndStatus, END_STATUSES } from "../domain/run.ts";
import type { Definition } from "../definition/definition.ts";
import type { FlowInput } from "../dsl/flow-type.ts";
import { type EvaluationPage, listEvaluations } from "../evaluation/evaluations.ts";
import type { ShadowCounts } from "../evaluation/shadow.ts";
import { checkInvariants } from "../engine/invariants.ts";
import { type QueueOptions, queueRules, type QueueView, queueView } from "./queues.ts";
import type { ScheduleOptions, ScheduleView } from "./schedules.ts";
import { type WorkerView, workerView } from "./workers.ts";
import { Opened } from "./opened.ts";
import type { FlowChoice } from "./opened.ts";

/** What who runs a store does with it: queues, schedules, workers, its health, its size. */
export abstract class Operations extends Opened {
  /**
   * Sets the rules of a queue, whole, over all workers of the store; without any rule the queue is free again. They hold for
   * what begins from then on. Throws OPTION_INVALID, QUEUE_RULES_UNSUPPORTED.
   */
  async setQueue(name: string, rules: QueueOptions): Promise<void> {
    await (await this.engine()).putQueues([queueRules(name, rules)]);
  }

  /** Queues that have rules, by name. */
  async queues(): Promise<readonly QueueView[]> {
    const { store } = await this.engine();
    return store.capabilities.queueRules ? (await store.queueRules()).map(queueView) : [];
  }

  /** Workers of the store: where they run, which queues they serve, which flows they know, how much they hold. */
  async workers(): Promise<readonly WorkerView[]> {
    const { store, ambient } = await this.engine();
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
    const engine = await this.engine();
    return engine.schedules.put(id, await this.known(engine, flow), options);
  }

  /** All schedules of the store, by id. */
  async schedules(): Promise<readonly ScheduleView[]> {
    return (await this.engine()).schedules.list();
  }

  /** Ends a schedule; its runs go on. Answers whether there was one. */
  async unschedule(id: string): Promise<boolean> {
    return (await this.engine()).schedules.remove(id);
  }

  /** Lets a schedule rest until `resumeSchedule`. Throws SCHEDULE_UNKNOWN. */
  async pauseSchedule(id: string): Promise<ScheduleView> {
    return (await this.engine()).schedules.pause(id, true);
  }

  /** Goes on with the next tick; those of the pause are not made up for. Throws SCHEDULE_UNKNOWN. */
  async resumeSchedule(id: string): Promise<ScheduleView> {
    return (await this.engine()).schedules.pause(id, false);
  }

  /** Looks at the whole store for broken invariants; an empty list is health. */
  async doctor(): Promise<readonly string[]> {
    const { store, ambient } = await this.engine();
    return checkInvariants(store, { now: ambient.clock.now() });
  }

  /**
   * What judges have said of steps and runs, with `sink: "database"`, page by page in the order of the ids of their runs.
   * Throws OPTION_INVALID. Source: Flujo, evaluations.
   */
  async evaluations({
    runId,
    limit = 50,
    cursor,
  }: {
    readonly runId?: string;
    /** 1 to 1,000; default 50. */
    readonly limit?: number;
    readonly cursor?: string;
  } = {}): Promise<EvaluationPage> {
    const { store } = await this.engine();
    return listEvaluations(store, {
      limit,
      ...(runId !== undefined && { runId }),
      ...(cursor !== undefined && { cursor }),
    });
  }

  /** How many judgements this process has made, lost to a failure, or left out for want of time; undefined where nothing is judged. */
  async shadowEvalCounts(): Promise<ShadowCounts | undefined> {
    return (await this.engine()).shadow?.counts;
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
    const { store } = await this.engine();
    return store.prune({ endedBefore: Number(endedBefore), statuses, ...(limit !== undefined && { limit }) });
  }
}
