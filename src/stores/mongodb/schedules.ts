import type { RunId } from "../../domain/ids.ts";
import { canonical } from "../../domain/canonical.ts";
import type { ScheduleRecord } from "../../ports/schedule.ts";
import { json } from "../../ports/stored-text.ts";
import type { Base } from "./base.ts";
import { isDuplicate } from "./errors.ts";
import { parsed } from "./rows.ts";

interface ScheduleDocument {
  readonly _id: string;
  readonly spec: string;
  /** The spec with its keys in order: what a move compares. */
  readonly canonical: string;
  readonly nextAt?: number;
  readonly lastAt?: number;
  readonly lastRun?: string;
}

type Ticks = Pick<ScheduleRecord, "nextAt" | "lastAt" | "lastRun">;

/** Absent ticks are taken out, not set to nothing. */
function ticksUpdate({ nextAt, lastAt, lastRun }: Ticks): {
  readonly set: Record<string, unknown>;
  readonly unset: Record<string, "">;
} {
  const set: Record<string, unknown> = {};
  const unset: Record<string, ""> = {};
  for (const [field, value] of Object.entries({ nextAt, lastAt, lastRun })) {
    if (value === undefined) unset[field] = "";
    else set[field] = value;
  }
  return { set, unset };
}

const updateOf = (more: Record<string, unknown>, ticks: Ticks): Readonly<Record<string, unknown>> => {
  const { set, unset } = ticksUpdate(ticks);
  return { $set: { ...more, ...set }, ...(Object.keys(unset).length > 0 && { $unset: unset }) };
};

export async function putSchedule(base: Base, schedule: ScheduleRecord): Promise<void> {
  const update = updateOf({ spec: json(schedule.spec), canonical: canonical(schedule.spec) }, schedule);
  for (let tries = 0; ; tries++) {
    try {
      await base.in.schedules.updateOne({ _id: schedule.id }, update, { upsert: true });
      return;
    } catch (error) {
      if (!isDuplicate(error) || tries >= 3) throw error; // two put a new one at once
    }
  }
}

export async function schedules(base: Base): Promise<readonly ScheduleRecord[]> {
  const found = (await base.in.schedules.find({}, { sort: { _id: 1 } }).toArray()) as readonly ScheduleDocument[];
  return found.map(({ _id, spec, nextAt, lastAt, lastRun }) => ({
    id: _id,
    spec: parsed(spec, new Map(), `the schedule ${_id}`),
    ...(nextAt !== undefined && { nextAt }),
    ...(lastAt !== undefined && { lastAt }),
    ...(lastRun !== undefined && { lastRun: lastRun as RunId }),
  }));
}

export const removeSchedule = async (base: Base, id: string): Promise<boolean> =>
  (await base.in.schedules.deleteOne({ _id: id })).deletedCount === 1;

export async function moveSchedule(base: Base, { id, spec, nextAt }: ScheduleRecord, next: Ticks): Promise<boolean> {
  const seen = { _id: id, canonical: canonical(spec), nextAt: nextAt === undefined ? { $exists: false } : nextAt };
  return (await base.in.schedules.updateOne(seen, updateOf({}, next))).matchedCount === 1;
}
