// What the store keeps of a long agent whose tool returns large texts, beside what those texts have in bytes.
import { type Bench, type Rounds, find, medianOf, pairedRatio, roundRobin, scaled, seriesOf } from "../bench.ts";
import { type Measured, type Result, judge, peerFigure } from "../result.ts";
import { figure } from "../table.ts";

const LONG = { turns: 500, characters: 1_048_576 };
// The checkpoints of a peer grow with the square of the turns: 500 of 1 MB would be 250 GB.
const SHORT = { turns: 40, characters: 102_400 };
const STORES = ["sqlite", "postgres"] as const;
const NAMES = { sqlite: "SQLite", postgres: "Postgres" } as const;
const AT_MOST_TIMES = 1.3;
const MAX_HEAD_ROW_BYTES = 32_768;
const TIMEOUT_MS = 600_000;
const OURS = "flujo, 40 turns of 100 KB";
const PEERS = [
  { id: "LangGraph.js, 40 turns of 100 KB", messages: "whole" },
  { id: "LangGraph.js, delta messages, 40 turns of 100 KB", messages: "delta" },
] as const;

export async function measureBytes(bench: Bench): Promise<Measured> {
  const { url } = await bench.servers.postgres();
  const place = (store: string) => ["--store", store, "--data", bench.data, "--url", url];
  const counts = ({ turns, characters }: typeof LONG) => ["--turns", `${turns}`, "--characters", `${characters}`];
  const long = { ...LONG, turns: scaled(bench, LONG.turns, 20) };
  const subject = { file: "subjects/agent-bytes.ts", timeoutMs: TIMEOUT_MS };
  // Once: bytes are the same in each round.
  const all = await roundRobin({ ...bench, rounds: 1 }, [
    ...STORES.map((store) => ({
      id: NAMES[store],
      spec: { ...subject, arguments: [...counts(long), ...place(store)] },
    })),
    { id: OURS, spec: { ...subject, arguments: [...counts(SHORT), ...place("postgres")] } },
    ...PEERS.map(({ id, messages }) => ({
      id,
      spec: {
        file: "peers/langgraph-agent-bytes.mjs",
        arguments: [...counts(SHORT), "--url", url, "--messages", messages],
        timeoutMs: TIMEOUT_MS,
      },
    })),
  ]);
  return {
    results: [
      ...STORES.flatMap((store) => verdicts(all, NAMES[store], long.turns)),
      ...PEERS.map(({ id }) => beside(all, id)),
    ],
    tables: [
      {
        title: `What is stored of an agent of ${long.turns} turns, each with a text of 1 MB that is random base64`,
        header: ["what", "turns", "MB stored", "× content", "head row, bytes", "s", "error"],
        rows: all.map(row),
      },
    ],
    rows: all.map(({ id, error, lines }) => ({ id, error, rounds: lines })),
  };
}

function verdicts(all: readonly Rounds[], id: string, turns: number): Result[] {
  const rounds = find(all, id);
  const name = `agent of ${turns} turns with 1 MB each, ${id}`;
  return [
    judge({
      name,
      metric: "stored bytes / bytes of the texts",
      unit: "×",
      value: medianOf(rounds, "timesContent"),
      bound: { atMost: AT_MOST_TIMES },
      error: rounds?.error,
    }),
    judge({
      name,
      metric: "row that each turn rewrites: state and value",
      unit: "bytes",
      value: medianOf(rounds, "headRowBytes"),
      bound: { atMost: MAX_HEAD_ROW_BYTES },
      error: rounds?.error,
    }),
  ];
}

function beside(all: readonly Rounds[], peer: string): Result {
  const mine = find(all, OURS);
  const theirs = find(all, peer);
  return judge({
    name: `stored beside ${peer}`,
    metric: "stored bytes / bytes of the texts, Postgres",
    unit: "×",
    value: medianOf(mine, "timesContent"),
    peers: { [peer]: peerFigure(medianOf(theirs, "timesContent"), theirs?.error) },
    ratio: pairedRatio(seriesOf(mine, "timesContent"), seriesOf(theirs, "timesContent")),
    error: mine?.error,
  });
}

function row(rounds: Rounds): string[] {
  const line = rounds.lines[0] ?? {};
  const headRow = line["headRowBytes"];
  return [
    rounds.id,
    `${line["turns"] ?? "–"}`,
    figure((medianOf(rounds, "storedBytes") ?? Number.NaN) / 2 ** 20),
    figure(medianOf(rounds, "timesContent")),
    typeof headRow === "number" ? figure(headRow) : "–",
    figure(medianOf(rounds, "seconds")),
    rounds.error ?? "",
  ];
}
