import type { ClaimRequest } from "../../ports/queue.ts";
import type { Ask } from "./claim.ts";
import type { Row } from "./driver.ts";
import { LOOK } from "./lane-programs.ts";
import { type Candidate, candidate, type OpenLane } from "./lanes.ts";
import { type Governed, governedIn, rateStateIn } from "./queue-rules.ts";
import { isNull, numberIn, textIn, textsIn } from "./rows.ts";

/** A governed queue as a claim saw it. */
export interface Looked extends Governed {
  /** Of this look: another one means that somebody claimed, or put rules. */
  readonly version: number;
  readonly leased: number;
  /** The lanes of the first rows in turn, best row first. None of a lane may be ours. */
  readonly page: readonly { readonly lane: OpenLane; readonly rows: readonly Candidate[] }[];
  /** Whether that is all that waits in turn. */
  readonly whole: boolean;
}

export interface Look {
  readonly now: number;
  readonly governed: readonly Looked[];
  /** Queues, governed or free, in which something is due that has no turn. */
  readonly due: readonly string[];
}

/** Answers undefined when none of the queues is governed. */
export async function look(
  ask: Ask,
  { queues, fingerprints, limit }: Pick<ClaimRequest, "queues" | "fingerprints" | "limit">,
  given: number | null,
): Promise<Look | undefined> {
  const size = limit + 1; // one more lane than fills the claim: what follows it is not known
  const rows = await ask(LOOK, { now: given, queues, fingerprints, size });
  const found = rows.filter((row) => isNull(row, "run"));
  const [first] = found;
  if (first === undefined) return undefined;
  const inOrder = [...found].sort((a, b) => (textIn(a, "queue") < textIn(b, "queue") ? -1 : 1));
  return {
    now: numberIn(first, "looked_at"),
    due: textsIn(first, "due"),
    governed: inOrder.map((row) => lookedAt(row, rows, size)),
  };
}

function lookedAt(rules: Row, rows: readonly Row[], size: number): Looked {
  const queue = textIn(rules, "queue");
  const own = rows.filter((row) => row["queue"] === queue && !isNull(row, "run"));
  const lanes = new Map<string, { readonly lane: OpenLane; readonly rows: Candidate[] }>();
  for (const row of own) {
    const turn = textIn(row, "turn");
    let seen = lanes.get(turn);
    if (seen === undefined) {
      seen = { lane: { lane: turn, leased: numberIn(row, "leased"), rate: rateStateIn(row, "rate") }, rows: [] };
      lanes.set(turn, seen);
    }
    if (row["mine"] === true) seen.rows.push({ ...candidate(row, queue), lane: seen.lane });
  }
  for (const { rows: seen } of lanes.values()) if (seen.length > 1) seen.sort(byUrgency);
  return {
    ...governedIn(rules),
    version: numberIn(rules, "version"),
    leased: numberIn(rules, "leased"),
    page: [...lanes.values()],
    whole: own.length < size,
  };
}

const byUrgency = (a: Candidate, b: Candidate): number =>
  b.priority - a.priority || a.readyAt - b.readyAt || compared(a.run, b.run) || compared(a.key, b.key);

const compared = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
