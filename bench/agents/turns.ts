// What the engine costs a turn of a granular agent: its model and its tool answer at once, one agent at a time on an idle server.
import { type Bench, type Rounds, find, medianOf, pairedRatio, roundRobin, scaled, seriesOf } from "../bench.ts";
import { settings } from "../contest.ts";
import { type Measured, type Result, judge, peerFigure } from "../result.ts";
import { figure } from "../table.ts";

const TURNS = 50;
const AT_MOST_MS = 2;
const STORES = ["postgres", "sqlite", "memory"] as const;
const NAMES = { postgres: "Postgres", sqlite: "SQLite", memory: "memory" } as const;
const RUNS = 30;
const PEER_RUNS = 5; // each takes a second
const PEERS = [
  { id: "LangGraph.js", messages: "whole" },
  { id: "LangGraph.js, delta messages", messages: "delta" },
] as const;

const idOf = (store: (typeof STORES)[number], limited: boolean): string =>
  `${NAMES[store]}${limited ? ", cost limit" : ""}`;

export async function measureTurns(bench: Bench): Promise<Measured> {
  const { url } = await bench.servers.postgres();
  const counts = (runs: number) => ["--turns", `${TURNS}`, "--runs", `${scaled(bench, runs, 2)}`];
  const ours = STORES.flatMap((store) =>
    [false, true].map((limited) => {
      const options = ["--store", store, "--data", bench.data, "--url", url, ...(limited ? ["--cost-limit"] : [])];
      return { id: idOf(store, limited), file: "subjects/agent-turns.ts", arguments: [...counts(RUNS), ...options] };
    }),
  );
  const theirs = PEERS.map(({ id, messages }) => {
    const options = ["--url", url, "--messages", messages];
    return { id, file: "peers/langgraph-agent-turns.mjs", arguments: [...counts(PEER_RUNS), ...options] };
  });
  const all = await roundRobin(
    bench,
    [...ours, ...theirs].map(({ id, ...spec }) => ({ id, spec })),
  );
  return {
    results: [verdict(all, false), verdict(all, true), ...PEERS.map(({ id }) => beside(all, id))],
    tables: [
      {
        title: `A turn of a granular agent: model, tool; ${TURNS} turns, one agent at a time`,
        header: ["what", "runs", "p50 ms", "p99 ms", "version", "settings", "error"],
        rows: all.map(row),
      },
    ],
    rows: all.map(({ id, error, lines }) => ({ id, error, rounds: lines })),
  };
}

function verdict(all: readonly Rounds[], limited: boolean): Result {
  const mine = find(all, idOf("postgres", limited));
  return judge({
    name: `engine time per turn, ${idOf("postgres", limited)}`,
    metric: `run of ${TURNS} turns / turns, without model and tool; p50, idle`,
    unit: "ms",
    value: medianOf(mine, "p50Ms"),
    bound: { atMost: AT_MOST_MS },
    error: mine?.error,
  });
}

/** No target: a graph whose list of messages is copied into each checkpoint does another thing than a journal. */
function beside(all: readonly Rounds[], peer: string): Result {
  const mine = find(all, idOf("postgres", false));
  const theirs = find(all, peer);
  return judge({
    name: `engine time per turn beside ${peer}`,
    metric: `run of ${TURNS} turns / turns, Postgres; p50, idle`,
    unit: "ms",
    value: medianOf(mine, "p50Ms"),
    peers: { [peer]: peerFigure(medianOf(theirs, "p50Ms"), theirs?.error) },
    ratio: pairedRatio(seriesOf(mine, "p50Ms"), seriesOf(theirs, "p50Ms")),
    error: mine?.error,
  });
}

function row(rounds: Rounds): string[] {
  const line = rounds.lines[0];
  return [
    rounds.id,
    `${line?.["runs"] ?? "–"}`,
    ...["p50Ms", "p99Ms"].map((key) => figure(medianOf(rounds, key))),
    String(line?.["version"] ?? "–"),
    settings(line?.["settings"]),
    rounds.error ?? "",
  ];
}
