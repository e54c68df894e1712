import { replay } from "../../engine/replay.ts";
import type { RunRow } from "../../stores/memory/rows.ts";
import type { Cluster } from "./cluster.ts";

/**
 * Runs every run that has ended again, from nothing but its history: it must record what it recorded then. Undefined: all of them
 * do; else which one does not, and where.
 */
export async function checkReplays({ tables, oracle }: Cluster): Promise<string | undefined> {
  for (const run of tables.runs.values()) {
    const otherwise = run.endedAt === undefined ? undefined : await replayed(run, oracle);
    if (otherwise !== undefined) return `run ${run.id} is replayed otherwise: ${otherwise}`;
  }
  return undefined;
}

async function replayed(run: RunRow, oracle: Cluster["oracle"]): Promise<string | undefined> {
  const shadow = oracle.shadow(run);
  const { definition } = shadow;
  try {
    const { differences, outcome } = await replay(definition, { id: run.id, rows: shadow.rows() });
    if (differences.length > 0) return JSON.stringify(differences[0]);
    return outcome === run.status ? undefined : `it was ${run.status} and is ${outcome}`;
  } catch (error) {
    return String(error);
  }
}
