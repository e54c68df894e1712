// 100,000 runs wait for a signal in a SQLite file. A worker that opens it must claim as fast, and be as small, as on an empty one.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Bench, type Rounds, find, medianOf, pairedRatio, roundRobin, scaled, seriesOf } from "../bench.ts";
import { runChild } from "../child.ts";
import { type Measured, judge, peerFigure } from "../result.ts";
import { figure } from "../table.ts";

const PARKED = 100_000;
const CLAIMS = 300;

/** Parks the runs once, then lets fresh processes claim beside them and beside nothing. */
export async function measureParked(bench: Bench): Promise<Measured> {
  const directory = join(bench.data, `parked-${process.pid}`);
  const empty = join(directory, "empty");
  const full = join(directory, "full");
  const count = scaled(bench, PARKED, 1_000);
  try {
    for (const each of [empty, full]) mkdirSync(each, { recursive: true });
    bench.progress(`parking ${count} runs`);
    const park = { file: "subjects/park.ts", arguments: ["--place", sqliteAt(full), "--items", `${count}`] };
    const parked = await runChild(bench.runtime, park);
    if ("error" in parked) return report([{ id: "claim", lines: [], error: parked.error }], count);
    const claim = ["--place", sqliteAt(empty), "--beside", sqliteAt(full), "--runs", `${CLAIMS}`];
    const idle = (id: string, where: string) => ({
      id,
      spec: { file: "subjects/idle-worker.ts", arguments: ["--place", sqliteAt(where)], exposeGc: true },
    });
    const all = await roundRobin(bench, [
      { id: "claim", spec: { file: "subjects/claim.ts", arguments: claim } },
      idle("idle, nothing parked", empty),
      idle("idle", full),
    ]);
    return report([{ id: "park", lines: [parked.line], error: undefined }, ...all], count);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const sqliteAt = (directory: string) => JSON.stringify({ store: "sqlite", directory });

function report(all: readonly Rounds[], count: number): Measured {
  const parked = count.toLocaleString("en-US");
  const claim = find(all, "claim");
  const small = find(all, "idle, nothing parked");
  const large = find(all, "idle");
  const row = (label: string, prefix: string, idle: Rounds | undefined) => [
    label,
    ...[`${prefix}P50Micros`, `${prefix}P99Micros`].map((key) => figure(medianOf(claim, key))),
    figure(medianOf(idle, "rssMb")),
  ];
  return {
    results: [
      judge({
        name: `claim beside ${parked} parked runs`,
        metric: "claim p50, SQLite",
        unit: "µs",
        value: medianOf(claim, "fullP50Micros"),
        peers: { "nothing parked": peerFigure(medianOf(claim, "emptyP50Micros"), claim?.error) },
        ratio: pairedRatio(seriesOf(claim, "fullP50Micros"), seriesOf(claim, "emptyP50Micros")),
        bound: { atMost: 1.5 },
        of: "×",
        error: claim?.error,
      }),
      judge({
        name: `memory of a worker beside ${parked} parked runs`,
        metric: "RSS of a fresh idle worker, SQLite",
        unit: "MB",
        value: medianOf(large, "rssMb"),
        peers: { "nothing parked": peerFigure(medianOf(small, "rssMb"), small?.error) },
        ratio: pairedRatio(seriesOf(large, "rssMb"), seriesOf(small, "rssMb")),
        error: large?.error,
      }),
    ],
    tables: [
      {
        title: `Claiming one ready run from a SQLite file (${CLAIMS} claims, each file in turn) and idling on it`,
        header: ["parked", "claim p50 µs", "claim p99 µs", "idle RSS MB"],
        rows: [row("0", "empty", small), row(parked, "full", large)],
      },
    ],
    rows: all.map((rounds) => ({ id: rounds.id, error: rounds.error, rounds: rounds.lines })),
  };
}
