import type { ScheduleRecord } from "../../ports/schedule.ts";
import { json, parsed } from "../../ports/stored-text.ts";
import { num } from "./encode.ts";
import { listIn, rowOf, runIdIn, textIn } from "./rows.ts";
import type { Session } from "./session.ts";

type Ticks = Pick<ScheduleRecord, "nextAt" | "lastAt" | "lastRun">;

const numOrEmpty = (value: number | undefined): string => (value === undefined ? "" : num(value));

const ticks = ({ nextAt, lastAt, lastRun }: Ticks): readonly string[] => [
  numOrEmpty(nextAt),
  numOrEmpty(lastAt),
  lastRun ?? "",
];

export async function putSchedule(session: Session, schedule: ScheduleRecord): Promise<void> {
  await session.read("putSchedule", schedule.id, json(schedule.spec), ...ticks(schedule));
}

export async function schedules(session: Session): Promise<readonly ScheduleRecord[]> {
  const records = listIn(await session.read("schedules")).map(scheduleRecord);
  return records.sort((a, b) => (a.id < b.id ? -1 : 1));
}

export async function removeSchedule(session: Session, id: string): Promise<boolean> {
  return (await session.read("removeSchedule", id)) === 1;
}

export async function moveSchedule(session: Session, seen: ScheduleRecord, next: Ticks): Promise<boolean> {
  const before = [seen.id, json(seen.spec), numOrEmpty(seen.nextAt)];
  return (await session.read("moveSchedule", ...before, ...ticks(next))) === 1;
}

/** From { id, fields }. */
function scheduleRecord(answer: unknown): ScheduleRecord {
  const [id, pairs] = listIn(answer);
  const row = rowOf(pairs);
  return {
    id: textIn(id),
    spec: parsed(row["spec"], `the schedule ${textIn(id)}`),
    ...(row["next"] !== undefined && { nextAt: Number(row["next"]) }),
    ...(row["last"] !== undefined && { lastAt: Number(row["last"]) }),
    ...(row["run"] !== undefined && { lastRun: runIdIn(row["run"]) }),
  };
}
