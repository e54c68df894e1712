import type { Effect, OutboxEntry } from "../../ports/shard.ts";
import { original, parsed, storable } from "../../ports/stored-text.ts";
import type { Database } from "./database.ts";
import { numberIn, textIn } from "./rows.ts";

export async function outbox(db: Database, limit: number, to: number | undefined): Promise<readonly OutboxEntry[]> {
  const where = to === undefined ? "TRUE" : "shard = $2::int8";
  const rows = await db.query(
    `SELECT id, shard, effect FROM flujo.outbox WHERE ${where} ORDER BY seq LIMIT $1::int8`,
    to === undefined ? [limit] : [limit, to],
  );
  return rows.map((row) => {
    const id = textIn(row, "id");
    const effect = parsed(textIn(row, "effect"), `outbox.effect of ${id}`) as unknown as Effect;
    return { id, to: numberIn(row, "shard"), effect };
  });
}

export async function outboxDone(db: Database, ids: readonly string[]): Promise<void> {
  await db.query("DELETE FROM flujo.outbox WHERE id = ANY($1::text[])", [ids]);
}

/** The first value wins: whoever loses the insert reads what is kept in a statement of its own. */
export async function mark(db: Database, key: string, value: string): Promise<string> {
  const values = [storable(key), storable(value)];
  await db.query("INSERT INTO flujo.marks (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING", values);
  const [row] = await db.query("SELECT value FROM flujo.marks WHERE key = $1", [storable(key)]);
  return row === undefined ? value : original(textIn(row, "value"));
}
