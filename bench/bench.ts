// What every measurement gets: how often, on which Node, and a way to run a process and collect its figures.
import { type ChildSpec, type Line, type Outcome, type Runtime, numberIn, runChild } from "./child.ts";
import type { Servers } from "./servers/servers.ts";
import { type Summary, summarise } from "./stats.ts";

export interface Bench {
  readonly rounds: number;
  /** Multiplies run and item counts; 1 is the real thing. */
  readonly scale: number;
  readonly runtime: Runtime;
  /** Directory for throw-away databases, on a real disk. */
  readonly data: string;
  /** Started when a measurement first asks for them. */
  readonly servers: Servers;
  progress(text: string): void;
}

/** One thing to be measured, once a round. */
export interface Contestant {
  readonly id: string;
  readonly spec: ChildSpec;
}

/** All rounds of one contestant. It failed when any round failed: a median of the lucky ones would be a lie. */
export interface Rounds {
  readonly id: string;
  readonly lines: readonly Line[];
  readonly error: string | undefined;
}

/**
 * Runs every contestant once a round, each round starting with another one, so that noise on the machine and the state of
 * the disk hit all of them alike.
 */
export async function roundRobin(bench: Bench, contestants: readonly Contestant[]): Promise<readonly Rounds[]> {
  const outcomes = new Map<string, Outcome[]>(contestants.map(({ id }) => [id, []]));
  for (let round = 0; round < bench.rounds; round++) {
    for (let i = 0; i < contestants.length; i++) {
      const contestant = contestants[(i + round) % contestants.length];
      if (contestant === undefined || hasFailed(outcomes.get(contestant.id))) continue;
      bench.progress(`round ${round + 1}/${bench.rounds}  ${contestant.id}`);
      outcomes.get(contestant.id)?.push(await runChild(bench.runtime, contestant.spec));
    }
  }
  return contestants.map(({ id }) => collect(id, outcomes.get(id) ?? []));
}

function hasFailed(outcomes: readonly Outcome[] = []): boolean {
  return outcomes.some((outcome) => "error" in outcome);
}

function collect(id: string, outcomes: readonly Outcome[]): Rounds {
  const failed = outcomes.find((outcome) => "error" in outcome);
  const lines = outcomes.flatMap((outcome) => ("line" in outcome ? [outcome.line] : []));
  return { id, lines, error: failed?.error };
}

/** Median and extremes of one reported figure over the rounds; undefined when the contestant failed. */
export function summaryOf(rounds: Rounds | undefined, key: string): Summary | undefined {
  const series = seriesOf(rounds, key);
  return series.length === 0 ? undefined : summarise(series);
}

export function medianOf(rounds: Rounds | undefined, key: string): number | null {
  return summaryOf(rounds, key)?.median ?? null;
}

/** One reported figure, round by round; empty when the contestant failed. */
export function seriesOf(rounds: Rounds | undefined, key: string): readonly number[] {
  if (rounds === undefined || rounds.error !== undefined) return [];
  return rounds.lines.map((line) => numberIn(line, key));
}

/**
 * Median of the quotients within each round, or null when either side is missing. What disturbs a round disturbs both
 * sides of its quotient, so this is steadier than a quotient of medians.
 */
export function pairedRatio(numerators: readonly number[], denominators: readonly number[]): number | null {
  if (numerators.length === 0 || numerators.length !== denominators.length) return null;
  return summarise(numerators.map((numerator, round) => numerator / (denominators[round] ?? Number.NaN))).median;
}

/** Round by round the largest figure of several series; empty when no series is complete. */
export function bestOfEach(series: readonly (readonly number[])[]): readonly number[] {
  const rounds = Math.max(0, ...series.map(({ length }) => length));
  const complete = series.filter(({ length }) => length === rounds);
  return Array.from({ length: rounds }, (_, round) => Math.max(...complete.map((each) => each[round] ?? 0)));
}

export function find(all: readonly Rounds[], id: string): Rounds | undefined {
  return all.find((rounds) => rounds.id === id);
}

/** A count after scaling, at least `floor`. */
export function scaled(bench: Bench, count: number, floor = 1): number {
  return Math.max(floor, Math.round(count * bench.scale));
}
