/** Statements on one fiber row that is known to be ours. */
export const UPSERT_CONTEXT: string = `
  INSERT INTO contexts (fiber, context, aside) SELECT id, ?, 'null' FROM fibers WHERE run = ? AND key = ?
  ON CONFLICT (fiber) DO UPDATE SET context = excluded.context`;

export const UPSERT_ASIDE: string = `
  INSERT INTO contexts (aside, fiber, context) SELECT ?, id, '{}' FROM fibers WHERE run = ? AND key = ?
  ON CONFLICT (fiber) DO UPDATE SET aside = excluded.aside`;

export const END_FIBER: string =
  "UPDATE fibers SET owner = NULL, epoch = NULL, turn = NULL, ready_at = NULL, cancel = NULL, ended = ? WHERE run = ? AND key = ?";

export const QUEUE_FIBER: string = `
  UPDATE fibers SET owner = NULL, epoch = NULL, turn = NULL, ready_at = CASE WHEN cancel IS NULL THEN ?1 ELSE min(?1, ?2) END
  WHERE run = ?3 AND key = ?4`;

export const PARK_FIBER: string = `
  UPDATE fibers SET owner = NULL, epoch = NULL, turn = NULL, ready_at = CASE WHEN cancel IS NULL THEN ?1 ELSE ?2 END
  WHERE run = ?3 AND key = ?4`;

export interface FiberParts {
  readonly value: boolean;
  readonly event: boolean;
  readonly wait: boolean;
  readonly scheduling: boolean;
  readonly acknowledge: boolean;
}

const UPDATES = new Map<number, string>();

/** The columns a transition names, and no others; values in this order, then run and key. */
export function updateFiber({ value, event, wait, scheduling, acknowledge }: FiberParts): string {
  const variant =
    Number(value) | (Number(event) << 1) | (Number(wait) << 2) | (Number(scheduling) << 3) | (Number(acknowledge) << 4);
  let sql = UPDATES.get(variant);
  if (sql === undefined) {
    sql = `UPDATE fibers SET seq = seq + 1, deliveries = 0, state = ?${value ? ", value = ?" : ""}${event ? ", head = ?" : ""}${
      wait ? ", names = ?, wait = ?" : ", names = NULL, wait = NULL"
    }${scheduling ? ", queue = ?, priority = ?, lane = ?, turn = NULL" : ""}${acknowledge ? ", cancel = NULL" : ""} WHERE run = ? AND key = ?`;
    UPDATES.set(variant, sql);
  }
  return sql;
}
