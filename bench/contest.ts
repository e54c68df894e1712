// Several engines, each at several loads: who takes part, what is compared, and the tables about it.
import {
  type Bench,
  type Contestant,
  type Rounds,
  bestOfEach,
  find,
  medianOf,
  scaled,
  seriesOf,
  summaryOf,
} from "./bench.ts";
import { type PeerFigure, peerFigure } from "./result.ts";
import { spreadPercent, summarise } from "./stats.ts";
import { type Table, figure } from "./table.ts";

/** One engine. */
export interface Subject<Load extends number> {
  readonly id: string;
  readonly file: string;
  readonly extra?: readonly string[];
  /** Runs a burst. Slow peers get fewer, so that each takes one to three seconds; the rates are steady long before. */
  readonly runs: Readonly<Record<Load, number>>;
  readonly bursts?: number;
}

export interface Contest<Load extends number> {
  /** Runs in flight. */
  readonly loads: readonly Load[];
  readonly subjects: readonly Subject<Load>[];
}

export const at = (id: string, inFlight: number): string => `${id} @ ${inFlight}`;

/** Every subject at every load. */
export function contestants<Load extends number>(bench: Bench, { loads, subjects }: Contest<Load>): Contestant[] {
  return loads.flatMap((inFlight) =>
    subjects.map((subject) => {
      const runs = scaled(bench, subject.runs[inFlight], 5);
      const counts = ["--runs", `${runs}`, "--concurrency", `${inFlight}`, "--bursts", `${subject.bursts ?? 1}`];
      const spec = { file: subject.file, arguments: [...counts, "--data", bench.data, ...(subject.extra ?? [])] };
      return { id: at(subject.id, inFlight), spec };
    }),
  );
}

/** Round by round the best of the loads, which is what is compared: no peer is held to a load it is bad at. */
export function best<Load extends number>(
  all: readonly Rounds[],
  { loads }: Contest<Load>,
  id: string,
): readonly number[] {
  return bestOfEach(loads.map((inFlight) => seriesOf(find(all, at(id, inFlight)), "stepsPerSecond")));
}

export function median(series: readonly number[]): number | null {
  return series.length === 0 ? null : summarise(series).median;
}

export function errorOf<Load extends number>(
  all: readonly Rounds[],
  { loads }: Contest<Load>,
  id: string,
): string | undefined {
  return loads.map((inFlight) => find(all, at(id, inFlight))?.error).find((error) => error !== undefined);
}

/** The best figure of each peer, for a report. */
export function peers<Load extends number>(
  all: readonly Rounds[],
  contest: Contest<Load>,
  ids: readonly string[],
): Record<string, PeerFigure> {
  return Object.fromEntries(
    ids.map((id) => [id, peerFigure(median(best(all, contest, id)), errorOf(all, contest, id))]),
  );
}

export function stepsTable<Load extends number>(
  all: readonly Rounds[],
  { loads, subjects }: Contest<Load>,
  title: string,
): Table {
  const rows = subjects.flatMap(({ id }) => loads.map((inFlight) => stepsRow(all, id, inFlight)));
  const header = ["engine", "in flight", "n", "steps/s", "±%", "p50 ms", "p99 ms", "CPU %", "RSS MB"];
  return { title, header, rows };
}

function stepsRow(all: readonly Rounds[], id: string, inFlight: number): string[] {
  const rounds = find(all, at(id, inFlight));
  const steps = summaryOf(rounds, "stepsPerSecond");
  if (steps === undefined) return [id, `${inFlight}`, ...Array.from({ length: 7 }, () => "–")];
  const middle = (key: string) => medianOf(rounds, key) ?? Number.NaN;
  return [
    id,
    `${inFlight}`,
    middle("runs").toLocaleString("en-US"),
    figure(steps.median),
    spreadPercent(steps).toFixed(0),
    figure(middle("p50Ms")),
    figure(middle("p99Ms")),
    middle("cpuPercent").toFixed(0),
    middle("rssMb").toFixed(0),
  ];
}

/** Versions and durability, once an engine; or why it could not be measured. */
export function settingsTable<Load extends number>(all: readonly Rounds[], contest: Contest<Load>): Table {
  const rows = contest.subjects.map(({ id }) => {
    const error = errorOf(all, contest, id);
    const line = contest.loads.map((load) => find(all, at(id, load))?.lines[0]).find((each) => each !== undefined);
    if (error !== undefined || line === undefined) return [id, "–", "–", `error: ${error ?? "not measured"}`];
    return [id, String(line["version"]), String(line["node"]), settings(line["settings"])];
  });
  return { title: "Versions and durability", header: ["engine", "version", "Node", "settings"], rows };
}

export function settings(value: unknown): string {
  if (typeof value !== "object" || value === null) return "";
  return Object.entries(value)
    .map(([key, setting]) => `${key}: ${setting}`)
    .join("; ");
}
