import { sameWire } from "../../domain/canonical.ts";
import type { ScheduleRecord } from "../../ports/schedule.ts";
import { json } from "../../ports/stored-text.ts";
import type { Database } from "./database.ts";
import { scheduleRecord } from "./rows.ts";

export async function putSchedule(db: Database, { id, spec, nextAt, lastAt, lastRun }: ScheduleRecord): Promise<void> {
  await db.query(
    `INSERT INTO flujo.schedules (id, spec, next_at, last_at, last_run) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (id) DO UPDATE SET spec = excluded.spec, next_at = excluded.next_at, last_at = excluded.last_at,
       last_run = excluded.last_run`,
    [id, json(spec), nextAt ?? null, lastAt ?? null, lastRun ?? null],
  );
}

export async function schedules(db: Database): Promise<readonly ScheduleRecord[]> {
  return (await db.query("SELECT * FROM flujo.schedules ORDER BY id")).map(scheduleRecord);
}

export async function removeSchedule(db: Database, id: string): Promise<boolean> {
  return (await db.query("DELETE FROM flujo.schedules WHERE id = $1 RETURNING 1 AS gone", [id])).length > 0;
}

type Next = Pick<ScheduleRecord, "nextAt" | "lastAt" | "lastRun">;

/** The row is locked while its spec is compared: two texts may be the same spec. */
export async function moveSchedule(db: Database, seen: ScheduleRecord, next: Next): Promise<boolean> {
  return db.transaction(async (client) => {
    const [row] = await db.queryIn(client, "SELECT * FROM flujo.schedules WHERE id = $1 FOR UPDATE", [seen.id]);
    const found = row === undefined ? undefined : scheduleRecord(row);
    if (found === undefined || found.nextAt !== seen.nextAt || !sameWire(found.spec, seen.spec)) return false;
    await db.queryIn(client, "UPDATE flujo.schedules SET next_at = $2, last_at = $3, last_run = $4 WHERE id = $1", [
      seen.id,
      next.nextAt ?? null,
      next.lastAt ?? null,
      next.lastRun ?? null,
    ]);
    return true;
  });
}
