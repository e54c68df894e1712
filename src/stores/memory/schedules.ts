import { sameWire } from "../../domain/canonical.ts";
import type { ScheduleRecord } from "../../ports/schedule.ts";

/** Schedules by id. */
export class Schedules {
  readonly #byId = new Map<string, ScheduleRecord>();

  put(schedule: ScheduleRecord): void {
    this.#byId.set(schedule.id, schedule);
  }

  all(): readonly ScheduleRecord[] {
    return [...this.#byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  remove(id: string): boolean {
    return this.#byId.delete(id);
  }

  move({ id, spec, nextAt }: ScheduleRecord, next: Omit<ScheduleRecord, "id" | "spec">): boolean {
    const found = this.#byId.get(id);
    if (found === undefined || found.nextAt !== nextAt || !sameWire(found.spec, spec)) return false;
    this.#byId.set(id, { id, spec: found.spec, ...next });
    return true;
  }
}
