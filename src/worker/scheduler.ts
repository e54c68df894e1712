import type { Ambient } from "../domain/ambient.ts";
import { type Failure, failureFrom } from "../domain/failure.ts";
import type { RunId } from "../domain/ids.ts";
import { isEnd } from "../domain/run.ts";
import { decode } from "../domain/wire.ts";
import type { Definition } from "../definition/definition.ts";
import { checkStart, type LimitsOf, newRun } from "../engine/new-run.ts";
import type { Payloads } from "../engine/payloads.ts";
import type { Registry } from "../engine/registry.ts";
import { firing, type ScheduleSpec, specOf, tickRunId } from "../engine/schedules.ts";
import type { Observation } from "../ports/observer.ts";
import type { ScheduleRecord } from "../ports/schedule.ts";
import type { NewRun, Store } from "../ports/store.ts";

/** A tick that others are faster at is looked at again, but an unlucky worker must not spin. */
const AGAIN_MS = 100;

export interface SchedulerDeps {
  readonly store: Pick<Store, "schedules" | "moveSchedule" | "createRuns" | "load">;
  readonly registry: Registry;
  readonly payloads: Payloads;
  readonly ambient: Ambient;
  readonly everyMs: number;
  readonly limitsOf?: LimitsOf;
  readonly failed: (error: unknown) => void;
  readonly observe: ((observation: Observation) => void) | undefined;
  /** Runs were made ready. */
  readonly started: () => void;
}

/**
 * Starts the runs of schedules. Every worker process does, without asking the others: the run of a tick has an id of its own and
 * is inserted if absent, then the schedule is moved on if nobody else has. Whoever dies in between leaves a tick that the next
 * one finds started, and moves on. A run is ready at its tick by the store's clock, whoever was early with it.
 */
export class Scheduler {
  readonly #deps: SchedulerDeps;
  #cancelTimer: (() => void) | undefined;
  #looking: Promise<void> | undefined;
  #again = false;
  #stopped = false;

  constructor(deps: SchedulerDeps) {
    this.#deps = deps;
  }

  /** Looks now: at the start, and when somebody here has changed a schedule. */
  nudge(): void {
    if (this.#stopped) return;
    if (this.#looking !== undefined) {
      this.#again = true;
      return;
    }
    this.#cancelTimer?.();
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined;
    });
  }

  /** Resolves when the look under way is over. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer?.();
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { store, ambient, everyMs, failed } = this.#deps;
    let next = Number.POSITIVE_INFINITY;
    do {
      this.#again = false;
      try {
        next = await this.#serve(await store.schedules());
      } catch (error) {
        failed(error);
        next = Number.POSITIVE_INFINITY;
      }
    } while (this.#again && !this.#stopped);
    if (this.#stopped) return;
    const delayMs = Math.min(everyMs, Math.max(0, next - ambient.clock.now()));
    this.#cancelTimer = ambient.clock.after(delayMs, () => this.nudge(), { idle: true });
  }

  /** Fires what is due; answers when the next of them is. */
  async #serve(records: readonly ScheduleRecord[]): Promise<number> {
    const { clock } = this.#deps.ambient;
    let next = Number.POSITIVE_INFINITY;
    for (const record of records) {
      const spec = specOf(record);
      const flow = spec === undefined ? undefined : this.#flowOf(spec);
      if (spec === undefined || flow === undefined || record.nextAt === undefined || this.#stopped) continue;
      const due =
        record.nextAt > clock.now() ? record.nextAt : await this.#fire({ record, spec, flow, due: record.nextAt });
      next = Math.min(next, due);
    }
    return next;
  }

  /** Workers that do not have the flow leave its schedules to those that do. */
  #flowOf({ flow, version }: ScheduleSpec): Definition | undefined {
    return this.#deps.registry.definitions.find((one) => one.name === flow && one.version === version);
  }

  /** Starts the runs of a schedule's due ticks and moves it on; answers when to look at it again. */
  async #fire(due: DueSchedule): Promise<number> {
    const { store, ambient, started } = this.#deps;
    const { record, spec } = due;
    const { ticks, nextAt } = firing(spec, due.due, ambient.clock.now());
    const running = spec.overlap === "skip" && ticks.length > 0 && (await this.#isRunning(record));
    const wanted = running ? [] : spec.overlap === "skip" ? ticks.slice(-1) : ticks;
    const begun: { readonly tick: number; readonly run: RunId }[] = [];
    for (const tick of wanted) {
      const run = await this.#start(due, tick);
      if (run !== undefined) begun.push({ tick, run });
    }
    if (begun.length > 0) started();
    const last = begun.at(-1);
    const moved = await store.moveSchedule(record, {
      ...(nextAt !== undefined && { nextAt }),
      ...lastOf(record, last),
    });
    if (!moved) {
      if (last !== undefined && spec.overlap === "skip") await this.#remember(record.id, last);
      return ambient.clock.now() + AGAIN_MS;
    }
    if (running) this.#skipped(record.id, ticks.at(-1) ?? due.due, "overlap");
    else if (ticks.length === 0) this.#skipped(record.id, due.due, "missed");
    return nextAt ?? Number.POSITIVE_INFINITY;
  }

  async #isRunning({ lastRun }: ScheduleRecord): Promise<boolean> {
    const run = lastRun === undefined ? undefined : await this.#deps.store.load(lastRun);
    return run !== undefined && !isEnd(run.status);
  }

  /**
   * Another worker found the run before still going on and skipped the tick, a moment before this one saw it end and started the
   * tick: the next tick has to know of that run.
   */
  async #remember(id: string, { tick, run }: { readonly tick: number; readonly run: RunId }): Promise<void> {
    const { store } = this.#deps;
    const now = (await store.schedules()).find((one) => one.id === id);
    if (now === undefined || (now.lastAt !== undefined && now.lastAt >= tick)) return;
    const { nextAt } = now;
    await store.moveSchedule(now, { ...(nextAt !== undefined && { nextAt }), lastAt: tick, lastRun: run });
  }

  /** Undefined when the flow refuses the input: that tick is lost, and the next one is tried. */
  async #start({ record, spec, flow }: DueSchedule, tick: number): Promise<RunId | undefined> {
    const { store, observe, ambient } = this.#deps;
    const run = await this.#newRun({ record, spec, flow }, tick);
    if ("code" in run) {
      this.#skipped(record.id, tick, "refused", run);
      return undefined;
    }
    const [outcome] = await store.createRuns([run]);
    if (outcome?.status === "rejected") {
      this.#skipped(record.id, tick, "refused", failureFrom(outcome.error));
      return undefined;
    }
    if (outcome?.status === "created")
      observe?.({ kind: "schedule.started", at: ambient.clock.now(), schedule: record.id, tick, run: run.id });
    return run.id;
  }

  async #newRun({ record, spec, flow }: Omit<DueSchedule, "due">, tick: number): Promise<NewRun | Failure> {
    const { payloads, ambient, limitsOf } = this.#deps;
    const checked = await checkStart(flow, decode(spec.input), undefined);
    if (!checked.ok) return checked.problem;
    const { queue, priority, lane, metadata } = spec;
    return newRun(
      {
        id: tickRunId(record.id, tick),
        definition: flow,
        input: checked.value.input,
        contextWire: checked.value.context,
        now: ambient.clock.now(),
        metadata: { ...metadata, schedule: record.id },
        startAt: tick,
        ...limitsOf?.(flow.name),
        ...(queue !== undefined && { queue }),
        ...(priority !== undefined && { priority }),
        ...(lane !== undefined && { lane }),
      },
      payloads,
    );
  }

  #skipped(schedule: string, tick: number, why: "overlap" | "missed" | "refused", failure?: Failure): void {
    const { observe, ambient } = this.#deps;
    observe?.({ kind: "schedule.skipped", at: ambient.clock.now(), schedule, tick, why, ...(failure && { failure }) });
  }
}

interface DueSchedule {
  readonly record: ScheduleRecord;
  readonly spec: ScheduleSpec;
  readonly flow: Definition;
  readonly due: number;
}

const lastOf = (
  { lastAt, lastRun }: ScheduleRecord,
  begun: { readonly tick: number; readonly run: RunId } | undefined,
): Pick<ScheduleRecord, "lastAt" | "lastRun"> => {
  if (begun !== undefined) return { lastAt: begun.tick, lastRun: begun.run };
  return { ...(lastAt !== undefined && { lastAt }), ...(lastRun !== undefined && { lastRun }) };
};
