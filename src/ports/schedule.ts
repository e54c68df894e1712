import type { RunId } from "../domain/ids.ts";
import type { Wire } from "../domain/wire.ts";

/** A flow that starts again and again. The store keeps it and decides nothing: who computes the next tick is the engine. */
export interface ScheduleRecord {
  /** Matches the pattern of ids. */
  readonly id: string;
  /** What to start, when and how, opaque to stores. */
  readonly spec: Wire;
  /** The next tick; absent = none (paused, or over). */
  readonly nextAt?: number;
  readonly lastAt?: number;
  readonly lastRun?: RunId;
}

/** Schedules of a store. Runs of a tick have an id that the schedule and the tick give, so that starting twice starts once. */
export interface ScheduleStore {
  /** Creates a schedule, or replaces it. */
  putSchedule(schedule: ScheduleRecord): Promise<void>;
  /** By id. */
  schedules(): Promise<readonly ScheduleRecord[]>;
  /** Whether there was one. */
  removeSchedule(id: string): Promise<boolean>;
  /**
   * Moves a schedule on, if it is still as the caller saw it: same spec, same `nextAt`. Otherwise changes nothing and answers false:
   * another worker was faster, or somebody changed it. `next` replaces all three: what it leaves out is absent from then on.
   */
  moveSchedule(seen: ScheduleRecord, next: Pick<ScheduleRecord, "nextAt" | "lastAt" | "lastRun">): Promise<boolean>;
}
