import { FlujoError } from "../../domain/errors.ts";
import type { ClaimRequest, LeasedFiber } from "../../ports/queue.ts";
import { storable } from "../../ports/stored-text.ts";
import { undecodable } from "../../ports/undecodable.ts";
import { CLAIM } from "./claim-program.ts";
import type { Database } from "./database.ts";
import type { Row } from "./driver.ts";
import type { Program, Values } from "./program.ts";
import { isNull, leasedFiber, numberIn, textsIn, unreadableFiber } from "./rows.ts";

export interface Claimed {
  readonly fibers: readonly LeasedFiber[];
  /** Queues with rules, from which this claim took nothing: then it took nothing at all. */
  readonly governed: readonly string[];
}

export async function claim(
  db: Database,
  { worker, epoch, limit, queues, fingerprints }: ClaimRequest,
  now: number | null,
): Promise<Claimed> {
  const rows = await db.run(CLAIM, { now, worker, epoch, queues: queues.map(storable), fingerprints, size: limit });
  const governed = rows.find((row) => isNull(row, "run"));
  if (governed !== undefined) return { fibers: [], governed: textsIn(governed, "governed") };
  return { fibers: leased([...rows].sort(byUrgency)), governed: [] };
}

/** Runs a program: on its own, or inside a transaction. */
export type Ask = (program: Program, values: Values) => Promise<readonly Row[]>;

/** Rows that were just claimed, with the messages that they wait for. */
export function leased(rows: readonly Row[]): readonly LeasedFiber[] {
  return rows.map((row) => {
    try {
      return leasedFiber(row);
    } catch (error) {
      if (!(error instanceof FlujoError)) throw error;
      return unreadableFiber(row, undecodable(error.message)); // taken all the same: its worker condemns it
    }
  });
}

const byUrgency = (a: Row, b: Row): number =>
  numberIn(b, "priority") - numberIn(a, "priority") || numberIn(a, "ready_at") - numberIn(b, "ready_at");
