// Steps per second: 1,000 runs of ten no-op steps with 1, 16 and 100 in flight, flujo beside its peers and the bare driver.
import {
  type Bench,
  type Contestant,
  type Rounds,
  bestOfEach,
  find,
  medianOf,
  pairedRatio,
  roundRobin,
  scaled,
  seriesOf,
  summaryOf,
} from "../bench.ts";
import { type Measured, type PeerFigure, type Result, judge, peerFigure } from "../result.ts";
import { spreadPercent, summarise } from "../stats.ts";
import { type Table, figure } from "../table.ts";

const IN_FLIGHT = [1, 16, 100] as const;
type InFlight = (typeof IN_FLIGHT)[number];

interface Subject {
  readonly id: string;
  readonly kind: "memory" | "durable" | "as shipped";
  readonly file: string;
  readonly extra?: readonly string[];
  /** Runs a burst. Slow peers get fewer, so that each takes one to three seconds; the rates are steady long before. */
  readonly runs: Readonly<Record<InFlight, number>>;
  readonly bursts?: number;
}

const FLUJO_MEMORY = "flujo memory";
const FLUJO_SQLITE = "flujo SQLite";
const MASTRA_MEMORY = "Mastra memory";
const LANGGRAPH_MEMORY = "LangGraph.js memory";

const SUBJECTS: readonly Subject[] = [
  {
    id: FLUJO_MEMORY,
    kind: "memory",
    file: "subjects/steps.ts",
    extra: ["--store", "memory"],
    runs: { 1: 1000, 16: 1000, 100: 1000 },
    bursts: 5,
  },
  {
    id: MASTRA_MEMORY,
    kind: "memory",
    file: "peers/mastra-memory.mjs",
    runs: { 1: 1000, 16: 1000, 100: 1000 },
    bursts: 5,
  },
  {
    id: LANGGRAPH_MEMORY,
    kind: "memory",
    file: "peers/langgraph-memory.mjs",
    runs: { 1: 200, 16: 300, 100: 300 },
  },
  {
    id: FLUJO_SQLITE,
    kind: "durable",
    file: "subjects/steps.ts",
    extra: ["--store", "sqlite"],
    runs: { 1: 300, 16: 1000, 100: 1000 },
    bursts: 3,
  },
  {
    id: "OpenWorkflow SQLite",
    kind: "durable",
    file: "peers/openworkflow.mjs",
    runs: { 1: 25, 16: 200, 100: 200 },
  },
  { id: "Mastra libSQL", kind: "durable", file: "peers/mastra-libsql.mjs", runs: { 1: 150, 16: 200, 100: 200 } },
  {
    id: "LangGraph.js SQLite",
    kind: "durable",
    file: "peers/langgraph-sqlite.mjs",
    runs: { 1: 100, 16: 200, 100: 200 },
  },
  {
    id: "Mastra libSQL as shipped",
    kind: "as shipped",
    file: "peers/mastra-libsql.mjs",
    extra: ["--synchronous", "NORMAL"],
    runs: { 1: 300, 16: 300, 100: 200 },
  },
];

const RAW_SINGLE = "libsql, 1 row per commit";
const RAW_BATCH = "libsql, 100 rows per commit";
const RAW: readonly { id: string; commits: number; rows: number }[] = [
  { id: RAW_SINGLE, commits: 8000, rows: 1 },
  { id: RAW_BATCH, commits: 1000, rows: 100 },
];

/** Measures all subjects and the driver in one interleaved run. */
export async function measureSteps(bench: Bench): Promise<Measured> {
  const contestants = [
    ...IN_FLIGHT.flatMap((inFlight) => SUBJECTS.map((s) => contestant(bench, s, inFlight))),
    ...raw(bench),
  ];
  const all = await roundRobin(bench, contestants);
  return {
    results: [...memoryResults(all), ...sqliteResults(all)],
    tables: [stepsTable(all), settingsTable(all), rawTable(all)],
    rows: all.map((rounds) => ({
      id: rounds.id,
      ...(rounds.error ? { error: rounds.error } : {}),
      rounds: rounds.lines,
    })),
  };
}

function contestant(bench: Bench, subject: Subject, inFlight: InFlight): Contestant {
  const runs = scaled(bench, subject.runs[inFlight], 5);
  const counts = ["--runs", `${runs}`, "--concurrency", `${inFlight}`, "--bursts", `${subject.bursts ?? 1}`];
  const spec = { file: subject.file, arguments: [...counts, "--data", bench.data, ...(subject.extra ?? [])] };
  return { id: at(subject.id, inFlight), spec };
}

function raw(bench: Bench): Contestant[] {
  return RAW.map(({ id, commits, rows }) => {
    const counts = ["--runs", `${scaled(bench, commits, 50)}`, "--concurrency", `${rows}`];
    return { id, spec: { file: "peers/raw-libsql.mjs", arguments: [...counts, "--data", bench.data] } };
  });
}

function at(id: string, inFlight: InFlight): string {
  return `${id} @ ${inFlight}`;
}

/** Round by round the best of the three loads, which is what is compared: no peer is held to a load it is bad at. */
function best(all: readonly Rounds[], id: string): readonly number[] {
  return bestOfEach(IN_FLIGHT.map((inFlight) => seriesOf(find(all, at(id, inFlight)), "stepsPerSecond")));
}

function median(series: readonly number[]): number | null {
  return series.length === 0 ? null : summarise(series).median;
}

function errorOf(all: readonly Rounds[], id: string): string | undefined {
  return IN_FLIGHT.map((inFlight) => find(all, at(id, inFlight))?.error).find((error) => error !== undefined);
}

function peers(all: readonly Rounds[], ids: readonly string[]): Record<string, PeerFigure> {
  return Object.fromEntries(ids.map((id) => [id, peerFigure(median(best(all, id)), errorOf(all, id))]));
}

function memoryResults(all: readonly Rounds[]): Result[] {
  const value = median(best(all, FLUJO_MEMORY));
  const shared = { unit: "steps/s", value, error: errorOf(all, FLUJO_MEMORY) };
  const against = (id: string, atLeast: number) =>
    judge({
      ...shared,
      name: `memory steps/s beside ${id}`,
      metric: "best of 1, 16, 100 in flight, both",
      peers: peers(all, [id]),
      ratio: pairedRatio(best(all, FLUJO_MEMORY), best(all, id)),
      bound: { atLeast },
      of: "×",
    });
  return [
    judge({ ...shared, name: "memory steps/s", metric: "best of 1, 16, 100 in flight", bound: { atLeast: 200_000 } }),
    against(MASTRA_MEMORY, 5),
    against(LANGGRAPH_MEMORY, 40),
  ];
}

function sqliteResults(all: readonly Rounds[]): Result[] {
  const rounds = find(all, at(FLUJO_SQLITE, 100));
  const value = medianOf(rounds, "stepsPerSecond");
  const shared = { unit: "steps/s", value, error: rounds?.error };
  const durable = SUBJECTS.filter(({ kind, id }) => kind === "durable" && id !== FLUJO_SQLITE).map(({ id }) => id);
  const bestPeer = bestOfEach(durable.map((id) => best(all, id)));
  const metric = "100 in flight, synchronous=FULL";
  return [
    judge({ ...shared, name: "SQLite steps/s", metric, bound: { atLeast: 20_000 } }),
    judge({
      ...shared,
      name: "SQLite steps/s beside the best durable peer",
      metric: `${metric}; peers: their best of 1, 16, 100, also FULL`,
      peers: peers(all, durable),
      ratio: pairedRatio(seriesOf(rounds, "stepsPerSecond"), bestPeer),
      bound: { atLeast: 10 },
      of: "×",
    }),
  ];
}

function stepsTable(all: readonly Rounds[]): Table {
  const rows = SUBJECTS.flatMap((subject) => IN_FLIGHT.map((inFlight) => stepsRow(all, subject, inFlight)));
  const header = ["engine", "in flight", "n", "steps/s", "±%", "p50 ms", "p99 ms", "CPU %", "RSS MB"];
  return { title: "Runs of 10 no-op steps (p50, p99: one whole run; ±: extremes of the rounds)", header, rows };
}

function stepsRow(all: readonly Rounds[], subject: Subject, inFlight: InFlight): string[] {
  const rounds = find(all, at(subject.id, inFlight));
  const steps = summaryOf(rounds, "stepsPerSecond");
  if (steps === undefined) return [subject.id, `${inFlight}`, ...Array.from({ length: 7 }, () => "–")];
  const middle = (key: string) => medianOf(rounds, key) ?? Number.NaN;
  return [
    subject.id,
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
function settingsTable(all: readonly Rounds[]): Table {
  const rows = SUBJECTS.map(({ id }) => {
    const error = errorOf(all, id);
    const line = find(all, at(id, IN_FLIGHT[0]))?.lines[0];
    if (error !== undefined || line === undefined) return [id, "–", "–", `error: ${error ?? "not measured"}`];
    return [id, String(line["version"]), String(line["node"]), settings(line["settings"])];
  });
  return { title: "Versions and durability", header: ["engine", "version", "Node", "settings"], rows };
}

function settings(value: unknown): string {
  if (typeof value !== "object" || value === null) return "";
  return Object.entries(value)
    .map(([key, setting]) => `${key}: ${setting}`)
    .join("; ");
}

function rawTable(all: readonly Rounds[]): Table {
  const rows = RAW.map(({ id, commits }) => {
    const rounds = find(all, id);
    const rate = summaryOf(rounds, "rowsPerSecond");
    if (rate === undefined) return [id, "–", "–", "–", "–", `error: ${rounds?.error}`];
    return [
      id,
      `${commits}`,
      figure(rate.median),
      spreadPercent(rate).toFixed(0),
      figure(medianOf(rounds, "p50Ms")),
      settings(rounds?.lines[0]?.["settings"]),
    ];
  });
  return {
    title: "The bare driver (~230-byte rows, one index)",
    header: ["what", "commits", "rows/s", "±%", "p50 ms", "settings"],
    rows,
  };
}
