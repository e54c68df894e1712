// What a suite reports. A figure that could not be measured is an error beside its name, never a missing row.
import type { Table } from "./table.ts";

export type PeerFigure = number | { readonly error: string };

/** One judged figure. `pass` is null when there is no target to meet. */
export interface Result {
  readonly name: string;
  readonly metric: string;
  readonly value: number | null;
  readonly unit: string;
  readonly peers: Readonly<Record<string, PeerFigure>>;
  readonly ratio: number | null;
  readonly target: string | null;
  readonly pass: boolean | null;
  readonly error?: string;
}

/** What one measurement hands back: judged figures, the same for people, and every raw row. */
export interface Measured {
  readonly results: readonly Result[];
  readonly tables: readonly Table[];
  readonly rows: readonly object[];
}

export interface Judgement {
  readonly name: string;
  readonly metric: string;
  readonly unit: string;
  readonly value: number | null;
  readonly peers?: Readonly<Record<string, PeerFigure>>;
  /** What is compared with the bound; the value itself when absent. */
  readonly ratio?: number | null;
  readonly bound?: { readonly atLeast: number } | { readonly atMost: number };
  /** What the bound is a multiple of, for the printed target: "× Mastra". */
  readonly of?: string;
  readonly error?: string | undefined;
}

/** Compares a figure with its target. A figure that is missing, or that an error accompanies, has failed its target. */
export function judge(judgement: Judgement): Result {
  const { name, metric, unit, value, peers = {}, ratio = null, bound, of, error } = judgement;
  const compared = judgement.ratio === undefined ? value : ratio;
  return {
    name,
    metric,
    value,
    unit,
    peers,
    ratio,
    target: bound === undefined ? null : describe(bound, of),
    pass: bound === undefined ? null : error === undefined && compared !== null && meets(compared, bound),
    ...(error === undefined ? {} : { error }),
  };
}

function meets(value: number, bound: NonNullable<Judgement["bound"]>): boolean {
  return "atLeast" in bound ? value >= bound.atLeast : value <= bound.atMost;
}

function describe(bound: NonNullable<Judgement["bound"]>, of: string | undefined): string {
  const [sign, limit] = "atLeast" in bound ? ["≥", bound.atLeast] : ["≤", bound.atMost];
  return `${sign} ${limit.toLocaleString("en-US")}${of === undefined ? "" : ` ${of}`}`;
}

/** The figure of a peer for a report: its number or why there is none. */
export function peerFigure(value: number | null, error: string | undefined): PeerFigure {
  return value ?? { error: error ?? "not measured" };
}
