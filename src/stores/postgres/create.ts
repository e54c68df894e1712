import { FlujoError } from "../../domain/errors.ts";
import type { NewRun, CreateOutcome } from "../../ports/store.ts";
import { cannotStore, unplaceable } from "../../ports/new-run.ts";
import type { Database } from "./database.ts";
import type { SqlValue } from "./driver.ts";
import { isRowFault } from "./errors.ts";
import { loadRun } from "./read.ts";
import { booleanIn, numberIn } from "./rows.ts";
import { CREATE_RUNS, START } from "./start-program.ts";
import { Starts } from "./start-values.ts";

interface Item {
  readonly index: number;
  readonly run: NewRun;
}

/** All in one call. Runs that exist already are read afterwards, which is rare. */
export async function createRuns(
  db: Database,
  runs: readonly NewRun[],
  now: number | null,
): Promise<readonly CreateOutcome[]> {
  const outcomes: CreateOutcome[] = [];
  const fresh = new Map<string, Item>();
  for (const [index, run] of runs.entries()) {
    const error = unplaceable(run);
    if (error !== undefined) outcomes[index] = { status: "rejected", error };
    else if (!fresh.has(run.id)) fresh.set(run.id, { index, run });
  }
  await createAll(db, [...fresh.values()], now, outcomes);
  for (const [index, run] of runs.entries()) outcomes[index] ??= await existing(db, { index, run }, now);
  return outcomes;
}

/** A run that was there may be pruned before it is read. Then it may be created after all; this often, who prunes is faster. */
const RACES = 5;

async function existing(db: Database, item: Item, now: number | null): Promise<CreateOutcome> {
  const { id } = item.run;
  try {
    for (let left = RACES; left > 0; left--) {
      const run = await loadRun(db, now, id);
      if (run !== undefined) return { status: "exists", run };
      const outcomes: CreateOutcome[] = [];
      await createAll(db, [{ ...item, index: 0 }], now, outcomes);
      if (outcomes[0] !== undefined) return outcomes[0];
    }
    return { status: "rejected", error: cannotStore(id, `${RACES} times a run of this id was there, and gone`) };
  } catch (error) {
    if (error instanceof FlujoError && error.code === "RECORD_UNDECODABLE") return { status: "rejected", error };
    throw error;
  }
}

/** When a row cannot be encoded, or stored, nothing has been written: then each goes alone. */
async function createAll(
  db: Database,
  items: readonly Item[],
  now: number | null,
  outcomes: CreateOutcome[],
): Promise<void> {
  if (items.length === 0) return;
  try {
    const starts = new Starts();
    for (const { run } of items) starts.add(run, 1);
    const locks = { lock_workers: [...starts.workers].sort(), lock_queues: [...starts.queues].sort() };
    const values: Record<string, SqlValue> = { now, ok: [1], ...locks };
    starts.writeTo(values);
    for (const row of await db.run(starts.plain ? START : CREATE_RUNS, values)) {
      const item = items[numberIn(row, "n") - 1];
      if (item !== undefined) outcomes[item.index] = { status: "created", leased: booleanIn(row, "leased") };
    }
  } catch (error) {
    if (!isRowFault(error)) throw error;
    const [only] = items;
    if (only !== undefined && items.length === 1) {
      const said = error instanceof Error ? error.message : String(error);
      outcomes[only.index] = { status: "rejected", error: cannotStore(only.run.id, said, error) };
      return;
    }
    for (const item of items) await createAll(db, [item], now, outcomes);
  }
}
