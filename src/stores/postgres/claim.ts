import { FlujoError } from "../../domain/errors.ts";
import type { ClaimRequest, LeasedFiber } from "../../ports/queue.ts";
import { parsed, storable } from "../../ports/stored-text.ts";
import { undecodable } from "../../ports/undecodable.ts";
import { CLAIM, MAIL } from "./claim-program.ts";
import type { Database } from "./database.ts";
import type { Row } from "./driver.ts";
import type { Program, Values } from "./program.ts";
import { isNull, leasedFiber, messageRecord, numberIn, runIdIn, textIn, textsIn, unreadableFiber } from "./rows.ts";

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
  return {
    fibers: await leased([...rows].sort(byUrgency), (program, values) => db.run(program, values)),
    governed: [],
  };
}

/** Runs a program: on its own, or inside a transaction. */
export type Ask = (program: Program, values: Values) => Promise<readonly Row[]>;

interface Taken {
  readonly row: Row;
  readonly names: readonly string[];
  /** Why the record cannot be read. */
  readonly broken?: string;
}

/** Rows that were just claimed, with the messages that they wait for. */
export async function leased(rows: readonly Row[], ask: Ask): Promise<readonly LeasedFiber[]> {
  const taken = rows.map(withNames);
  const pairs = taken.flatMap(({ row, names }) => names.map((name) => [runIdIn(row, "run"), name] as const));
  const mail =
    pairs.length === 0
      ? []
      : await ask(MAIL, { runs: pairs.map(([run]) => run), names: pairs.map(([, name]) => name) });
  return taken.map(({ row, names, broken }) => {
    try {
      if (broken !== undefined) return unreadableFiber(row, undecodable(broken));
      const own = mail.filter((found) => found["run"] === row["run"] && names.includes(textIn(found, "name")));
      return leasedFiber(row, own.map(messageRecord));
    } catch (error) {
      if (!(error instanceof FlujoError)) throw error;
      return unreadableFiber(row, undecodable(error.message)); // taken all the same: its worker condemns it
    }
  });
}

function withNames(row: Row): Taken {
  if (isNull(row, "names")) return { row, names: [] };
  const where = `fibers.names of ${textIn(row, "run")}/${textIn(row, "key")}`;
  try {
    return { row, names: parsed(textIn(row, "names"), where) as readonly string[] };
  } catch (error) {
    if (!(error instanceof FlujoError)) throw error;
    return { row, names: [], broken: error.message };
  }
}

const byUrgency = (a: Row, b: Row): number =>
  numberIn(b, "priority") - numberIn(a, "priority") || numberIn(a, "ready_at") - numberIn(b, "ready_at");
