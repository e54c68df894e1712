import { type Failure, failure } from "../../domain/failure.ts";
import type { Wire } from "../../domain/wire.ts";

/** One of several results, in declared order: what a branch, an item of a map or a sample gave. */
export type Ballot =
  | { readonly name: string; readonly status: "fulfilled"; readonly value: Wire }
  | { readonly name: string; readonly status: "rejected"; readonly reason: Wire };

export type Vote = Extract<Ballot, { readonly status: "fulfilled" }>;

/** How a consensus came about; kept in the step's metadata. */
export interface Consensus {
  readonly strategy: string;
  /** Ballots that agree with the choice. */
  readonly votes: number;
  /** Ballots that counted: failures are left out as soon as one succeeded. */
  readonly total: number;
  readonly judgeScore?: number;
  readonly judgeReport?: Wire;
}

/** What several results were reduced to. */
export type Reduced =
  | { readonly ok: true; readonly value: Wire; readonly consensus: Consensus }
  | { readonly ok: false; readonly failure: Failure };

export type Reducer = (ballots: readonly Ballot[]) => Reduced;

/** What a join of all settled children gives: by name for branches, in order for a map. Undefined when it is something else. */
export function ballotsOf(settled: Wire): readonly Ballot[] | undefined {
  if (typeof settled !== "object" || settled === null) return undefined;
  const ballots = Object.entries(settled).map(([name, one]) => ballotOf(name, one));
  return ballots.every((ballot) => ballot !== undefined) ? ballots : undefined;
}

function ballotOf(name: string, settled: Wire): Ballot | undefined {
  if (typeof settled !== "object" || settled === null || !("status" in settled)) return undefined;
  const { status } = settled;
  if (status === "fulfilled") return { name, status, value: settled["value"] ?? null };
  return status === "rejected" ? { name, status, reason: settled["reason"] ?? null } : undefined;
}

export const votesOf = (ballots: readonly Ballot[]): readonly Vote[] =>
  ballots.filter((ballot) => ballot.status === "fulfilled");

/** Nothing to choose from. The failures are named, because they are why. */
export function consensusEmpty(strategy: string, ballots: readonly Ballot[]): Reduced {
  const failed = ballots.map(({ name }) => name);
  const why = failed.length === 0 ? "there were no results" : `all ${failed.length} results are failures`;
  const details = { reason: "consensus_empty", strategy, failed };
  return { ok: false, failure: failure("JOIN_FAILED", `consensus_empty: ${why}`, { details }) };
}
