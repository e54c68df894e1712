import type { OutboxEntry } from "../../ports/shard.ts";
import { original, parsed, storable } from "../../ports/stored-text.ts";
import { num } from "./encode.ts";
import { listIn, textIn } from "./rows.ts";
import { type Session, STEP } from "./session.ts";

export async function outbox(session: Session, limit: number, to: number | undefined): Promise<readonly OutboxEntry[]> {
  return listIn(await session.read("outbox", num(limit), to === undefined ? "" : num(to))).map(entry);
}

export async function outboxDone(session: Session, ids: readonly string[]): Promise<void> {
  for (let at = 0; at < ids.length; at += STEP) await session.read("outboxDone", ...ids.slice(at, at + STEP));
}

export async function mark(session: Session, key: string, value: string): Promise<string> {
  return original(textIn(await session.read("mark", storable(key), storable(value))));
}

/** From { id, "shard\neffect" }. */
function entry(answer: unknown): OutboxEntry {
  const [id, text] = listIn(answer).map(textIn) as [string, string];
  const line = text.indexOf("\n");
  return {
    id,
    to: Number(text.slice(0, line)),
    effect: parsed(text.slice(line + 1), `the effect ${id}`) as unknown as OutboxEntry["effect"],
  };
}
