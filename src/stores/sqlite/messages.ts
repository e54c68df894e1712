import type { MessageRecord, NewMessage, SignalOutcome } from "../../ports/store.ts";
import { insertBlobs, shareBlobs } from "./blobs.ts";
import type { Connection } from "./driver.ts";
import { messageRecord, numberOrNull } from "./rows.ts";
import { json, storable, storableOrNull } from "../../ports/stored-text.ts";
import type { Work } from "./work.ts";

const WAKE_WAITING = `
  UPDATE fibers SET ready_at = ?1
  WHERE owner IS NULL AND ended IS NULL AND (ready_at IS NULL OR ready_at > ?1)
    AND run = ?2 AND key IN (SELECT fiber FROM waits WHERE run = ?2 AND name = ?3)`;

const INSERT_MESSAGE = "INSERT INTO messages (run, id, once, name, sent_at, data) VALUES (?, ?, ?, ?, ?, ?)";

/** I5: the message and the wake-up are one step. Leased fibers find it when they park. */
export function deliver(work: Work, message: NewMessage): SignalOutcome {
  const { db } = work;
  const run = db.get("SELECT ended_at FROM runs WHERE id = ?", message.run);
  if (run === undefined) return "unknown";
  const [id, once] = [storableOrNull(message.id), storableOrNull(message.once)];
  const [unique, own] = [id ?? once, id === null ? 1 : 0];
  if (unique !== null && isKnown(db, message.run, unique, own)) return "duplicate";
  if (numberOrNull(run, "ended_at") !== null) return "ended";
  const [name, data] = [storable(message.name), json(message.data)];
  if (unique !== null) db.run("INSERT INTO message_ids (run, id, own) VALUES (?, ?, ?)", message.run, unique, own);
  db.run(INSERT_MESSAGE, message.run, id, once, name, message.sentAt, data);
  if (message.blobs !== undefined) insertBlobs(db, message.run, message.blobs);
  shareBlobs(db, message.run, [data]);
  if (db.run(WAKE_WAITING, work.now, message.run, name) > 0) work.noteReady();
  return "delivered";
}

const isKnown = (db: Connection, run: string, id: string, own: number): boolean =>
  db.get("SELECT 1 AS yes FROM message_ids WHERE run = ? AND id = ? AND own = ?", run, id, own) !== undefined;

/** Whether the message was still there. */
export const consumeMessage = (db: Connection, run: string, seq: number): boolean =>
  db.run("DELETE FROM messages WHERE seq = ? AND run = ?", seq, run) > 0;

export const mailboxHolds = (db: Connection, run: string, names: readonly string[]): boolean =>
  names.some(
    (name) => db.get("SELECT 1 AS yes FROM messages WHERE run = ? AND name = ? LIMIT 1", run, name) !== undefined,
  );

export const allMessages = (db: Connection, run: string): readonly MessageRecord[] =>
  db.all("SELECT * FROM messages WHERE run = ? ORDER BY seq", run).map(messageRecord);

/** Messages under any of these names, in arrival order. */
export function messagesNamed(db: Connection, run: string, names: readonly string[]): readonly MessageRecord[] {
  if (names.length === 0) return [];
  const found = [...new Set(names)].flatMap((name) =>
    db.all("SELECT * FROM messages WHERE run = ? AND name = ? ORDER BY seq", run, name),
  );
  const records = found.map(messageRecord);
  return names.length === 1 ? records : records.sort((a, b) => a.seq - b.seq);
}

export function awaitNames(db: Connection, run: string, fiber: string, names: readonly string[]): void {
  for (const name of names) db.run("INSERT OR IGNORE INTO waits (run, name, fiber) VALUES (?, ?, ?)", run, name, fiber);
}

export function stopAwaiting(db: Connection, run: string, fiber: string, names: readonly string[]): void {
  for (const name of names) db.run("DELETE FROM waits WHERE run = ? AND name = ? AND fiber = ?", run, name, fiber);
}
