import { canonical } from "../../domain/canonical.ts";
import type { RunId } from "../../domain/ids.ts";
import type { ScheduleRecord } from "../../ports/schedule.ts";
import { parsed } from "../../ports/stored-text.ts";
import type { Connection } from "./driver.ts";
import { numberOrNull, textIn, textOrNull } from "./rows.ts";

const UPSERT = `
  INSERT INTO schedules (id, spec, next_at, last_at, last_run) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (id) DO UPDATE SET
    spec = excluded.spec, next_at = excluded.next_at, last_at = excluded.last_at, last_run = excluded.last_run`;

/** The spec is kept in canonical form: equal specs are equal texts. */
export function putSchedule(db: Connection, { id, spec, nextAt, lastAt, lastRun }: ScheduleRecord): void {
  db.run(UPSERT, id, canonical(spec), nextAt ?? null, lastAt ?? null, lastRun ?? null);
}

export const allSchedules = (db: Connection): readonly ScheduleRecord[] =>
  db.all("SELECT id, spec, next_at, last_at, last_run FROM schedules ORDER BY id").map(scheduleRecord);

export const removeSchedule = (db: Connection, id: string): boolean =>
  db.run("DELETE FROM schedules WHERE id = ?", id) > 0;

const MOVE = `
  UPDATE schedules SET next_at = ?, last_at = ?, last_run = ?
  WHERE id = ? AND spec = ? AND next_at IS ?`;

export function moveSchedule(
  db: Connection,
  seen: ScheduleRecord,
  { nextAt, lastAt, lastRun }: Omit<ScheduleRecord, "id" | "spec">,
): boolean {
  const [id, spec, before] = [seen.id, canonical(seen.spec), seen.nextAt ?? null];
  return db.run(MOVE, nextAt ?? null, lastAt ?? null, lastRun ?? null, id, spec, before) > 0;
}

function scheduleRecord(row: unknown): ScheduleRecord {
  const id = textIn(row, "id");
  const [nextAt, lastAt] = [numberOrNull(row, "next_at"), numberOrNull(row, "last_at")];
  const lastRun = textOrNull(row, "last_run") as RunId | null;
  return {
    id,
    spec: parsed(textIn(row, "spec"), `schedules.spec of ${id}`),
    ...(nextAt !== null && { nextAt }),
    ...(lastAt !== null && { lastAt }),
    ...(lastRun !== null && { lastRun }),
  };
}
