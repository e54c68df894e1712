import { ROOT_FIBER } from "../../domain/ids.ts";
import { unsendable } from "../../ports/new-message.ts";
import type { NewMessage, Revival, SignalOutcome } from "../../ports/store.ts";
import { json, storable } from "../../ports/stored-text.ts";
import { Columns, emptyValues } from "./columns.ts";
import type { Database } from "./database.ts";
import type { Row, SqlValue } from "./driver.ts";
import { rowError } from "./errors.ts";
import { BLOB_PARAMS, EVENT_PARAMS, FIBER_PARAMS, MESSAGE_PARAMS } from "./insert-steps.ts";
import type { Program } from "./program.ts";
import { numberIn, textIn } from "./rows.ts";
import { CANCEL, REVIVE, SIGNAL } from "./run-programs.ts";
import { addFiber, addMessage, shareBlobs } from "./start-values.ts";

/** What cannot be stored is the fault of what was sent, and says so. */
async function runOne(
  db: Database,
  program: Program,
  what: string,
  values: () => Record<string, SqlValue>,
): Promise<Row> {
  try {
    const [row] = await db.run(program, { ...emptyValues(program.params), ...values() });
    if (row === undefined) throw new Error(`${program.name} answered nothing`);
    return row;
  } catch (error) {
    throw rowError(error, what, db.where);
  }
}

export async function signal(
  db: Database,
  message: NewMessage,
  now: number | null,
): Promise<{ readonly outcome: SignalOutcome; readonly woke: boolean }> {
  const error = unsendable(message);
  if (error !== undefined) throw error;
  const row = await runOne(db, SIGNAL, `a message to the run ${message.run}`, () => {
    const values: Record<string, SqlValue> = { now, ok: [1], lock_runs: [message.run] };
    const [messages, blobs] = [new Columns("m", MESSAGE_PARAMS), new Columns("b", BLOB_PARAMS)];
    addMessage(messages, blobs, 1, message);
    messages.writeTo(values);
    blobs.writeTo(values);
    return values;
  });
  return { outcome: textIn(row, "outcome") as SignalOutcome, woke: numberIn(row, "woke") > 0 };
}

export async function cancel(
  db: Database,
  run: string,
  reason: string,
  now: number | null,
): Promise<"requested" | "ended" | "unknown"> {
  const row = await runOne(db, CANCEL, `a request to stop the run ${run}`, () => ({
    now,
    ok: [1],
    lock_runs: [run],
    x_i: [1],
    x_run: [run],
    x_reason: [storable(reason)],
  }));
  return textIn(row, "outcome") as "requested" | "ended" | "unknown";
}

export async function revive(
  db: Database,
  { run, fibers, event, messages, blobs }: Revival,
  now: number | null,
): Promise<"revived" | "not-ended" | "unknown"> {
  for (const message of messages) {
    const error = unsendable(message);
    if (error !== undefined) throw error;
  }
  const row = await runOne(db, REVIVE, `the revival of the run ${run}`, () => {
    const values: Record<string, SqlValue> = {
      now,
      lock_runs: [run],
      lock_queues: fibers.map(({ queue }) => storable(queue)),
    };
    const events = new Columns("e", EVENT_PARAMS);
    const born = new Columns("s", FIBER_PARAMS);
    const mail = new Columns("m", MESSAGE_PARAMS);
    const kept = new Columns("b", BLOB_PARAMS);
    events.add(1, run, fibers[0]?.key ?? ROOT_FIBER, null, event.at, json(event.facts));
    for (const fiber of fibers) addFiber(born, fiber, { i: 1, run, owner: undefined });
    for (const message of messages) addMessage(mail, kept, 1, message);
    for (const { hash, text } of blobs) kept.add(1, run, hash, storable(text));
    for (const text of [json(event.facts), json(fibers)]) shareBlobs(kept, 1, run, text);
    for (const columns of [events, born, mail, kept]) columns.writeTo(values);
    return values;
  });
  return textIn(row, "outcome") as "revived" | "not-ended" | "unknown";
}
