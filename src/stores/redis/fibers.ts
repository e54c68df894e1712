import type { FiberKey, RunId } from "../../domain/ids.ts";
import type { ChildResult, EventRecord, FiberRecord, MessageRecord } from "../../ports/store.ts";
import { num } from "./encode.ts";
import {
  childResult,
  endedRow,
  eventRecord,
  fiberRecord,
  listIn,
  messageRecords,
  type Row,
  rowOf,
  textIn,
} from "./rows.ts";
import type { Session } from "./session.ts";

const PAGE = "500";

/** Ended children of one fork, a page of the hash at a time: a map of 100,000 items must not hold up the server. */
async function endedOf(session: Session, run: RunId, fork: string): Promise<ReadonlyMap<FiberKey, Row>> {
  const rows = new Map<FiberKey, Row>(); // a scan may name a field twice
  let cursor = "0";
  do {
    const [next, pairs] = listIn(await session.send("HSCAN", `j:${run}/${fork}`, cursor, "COUNT", PAGE));
    for (const [key, text] of Object.entries(rowOf(pairs))) rows.set(key as FiberKey, endedRow(text, `${run}/${key}`));
    cursor = textIn(next);
  } while (cursor !== "0");
  return rows;
}

export async function fibersOf(session: Session, run: RunId): Promise<readonly FiberRecord[]> {
  const [open, forks] = listIn(await session.read("openFibers", run));
  const rows = new Map<FiberKey, Row>();
  for (const found of listIn(open)) {
    const [key, pairs] = listIn(found);
    rows.set(textIn(key) as FiberKey, rowOf(pairs));
  }
  for (const fork of listIn(forks)) {
    for (const [key, row] of await endedOf(session, run, textIn(fork))) rows.set(key, row);
  }
  const records = [...rows].map(([fiber, row]) => fiberRecord({ run, fiber }, row));
  return records.sort((a, b) => (a.key < b.key ? -1 : 1));
}

export async function childrenOf(
  session: Session,
  run: RunId,
  { parent, fork }: { readonly parent: FiberKey; readonly fork: number },
): Promise<readonly ChildResult[]> {
  const rows = await endedOf(session, run, `${parent}#${fork}`);
  const results = [...rows].map(([fiber, row]) => childResult({ run, fiber }, row));
  return results.sort((a, b) => a.ordinal - b.ordinal);
}

/** An event's number is its place in the list, so what follows a number is read at once. */
export async function historyOf(
  session: Session,
  run: RunId,
  { after = 0, limit }: { readonly after?: number; readonly limit?: number },
): Promise<readonly EventRecord[]> {
  if (limit === 0) return [];
  const last = limit === undefined ? -1 : after + limit - 1;
  const texts = listIn(await session.send("LRANGE", `e:${run}`, num(after), num(last)));
  return texts.map((text, i) => eventRecord(text, after + i + 1));
}

export async function mailboxOf(session: Session, run: RunId): Promise<readonly MessageRecord[]> {
  const row = rowOf(await session.send("HGETALL", `m:${run}`));
  const seqs = Object.keys(row).filter((field) => !field.endsWith("d"));
  return messageRecords(
    run,
    seqs.map((seq) => [seq, row[seq], row[`${seq}d`]]),
  );
}
