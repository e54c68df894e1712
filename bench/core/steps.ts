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
import {
  type Subject as ContestSubject,
  at,
  best,
  contestants,
  errorOf,
  median,
  peers,
  settings,
  settingsTable,
  stepsTable,
} from "../contest.ts";
import { type Measured, type Result, judge } from "../result.ts";
import { spreadPercent } from "../stats.ts";
import { type Table, figure } from "../table.ts";

const IN_FLIGHT = [1, 16, 100] as const;

interface Subject extends ContestSubject<(typeof IN_FLIGHT)[number]> {
  readonly kind: "memory" | "durable" | "as shipped";
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

const CONTEST = { loads: IN_FLIGHT, subjects: SUBJECTS };

/** Measures all subjects and the driver in one interleaved run. */
export async function measureSteps(bench: Bench): Promise<Measured> {
  const all = await roundRobin(bench, [...contestants(bench, CONTEST), ...raw(bench)]);
  return {
    results: [...memoryResults(all), ...sqliteResults(all)],
    tables: [
      stepsTable(all, CONTEST, "Runs of 10 no-op steps (p50, p99: one whole run; ±: extremes of the rounds)"),
      settingsTable(all, CONTEST),
      rawTable(all),
    ],
    rows: all.map((rounds) => ({
      id: rounds.id,
      ...(rounds.error ? { error: rounds.error } : {}),
      rounds: rounds.lines,
    })),
  };
}

function raw(bench: Bench): Contestant[] {
  return RAW.map(({ id, commits, rows }) => {
    const counts = ["--runs", `${scaled(bench, commits, 50)}`, "--concurrency", `${rows}`];
    return { id, spec: { file: "peers/raw-libsql.mjs", arguments: [...counts, "--data", bench.data] } };
  });
}

function memoryResults(all: readonly Rounds[]): Result[] {
  const value = median(best(all, CONTEST, FLUJO_MEMORY));
  const shared = { unit: "steps/s", value, error: errorOf(all, CONTEST, FLUJO_MEMORY) };
  const against = (id: string, atLeast: number) =>
    judge({
      ...shared,
      name: `memory steps/s beside ${id}`,
      metric: "best of 1, 16, 100 in flight, both",
      peers: peers(all, CONTEST, [id]),
      ratio: pairedRatio(best(all, CONTEST, FLUJO_MEMORY), best(all, CONTEST, id)),
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
  const bestPeer = bestOfEach(durable.map((id) => best(all, CONTEST, id)));
  const metric = "100 in flight, synchronous=FULL";
  return [
    judge({ ...shared, name: "SQLite steps/s", metric, bound: { atLeast: 20_000 } }),
    judge({
      ...shared,
      name: "SQLite steps/s beside the best durable peer",
      metric: `${metric}; peers: their best of 1, 16, 100, also FULL`,
      peers: peers(all, CONTEST, durable),
      ratio: pairedRatio(seriesOf(rounds, "stepsPerSecond"), bestPeer),
      bound: { atLeast: 10 },
      of: "×",
    }),
  ];
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
