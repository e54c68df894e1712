// 100,000 runs wait for a signal in a SQLite file. A worker that opens it must claim as fast, and be as small, as on an empty one.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Bench, find, medianOf, pairedRatio, roundRobin, scaled, seriesOf } from "../bench.ts";
import { runChild } from "../child.ts";
import { type Measured, judge, peerFigure } from "../result.ts";
import { figure } from "../table.ts";

const PARKED = 100_000;

/** Parks the runs once, then lets fresh workers claim beside them and beside nothing, in turn. */
export async function measureParked(bench: Bench): Promise<Measured> {
  const directory = join(bench.data, `parked-${process.pid}`);
  try {
    const count = scaled(bench, PARKED, 1_000);
    const fileOf = (parked: number) => join(directory, `${parked}`);
    for (const parked of [0, count]) mkdirSync(fileOf(parked), { recursive: true });
    bench.progress(`parking ${count} runs`);
    const error = await park(bench, fileOf(count), count);
    if (error !== undefined) return failed(error);
    const contestants = [0, count].map((parked) => ({
      id: `${parked}`,
      spec: { file: "subjects/claim.ts", arguments: ["--directory", fileOf(parked), "--runs", "300"], exposeGc: true },
    }));
    return report(await roundRobin(bench, contestants), count);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Returns why it could not, or undefined when the runs are parked. */
async function park(bench: Bench, file: string, count: number): Promise<string | undefined> {
  const outcome = await runChild(bench.runtime, {
    file: "subjects/park.ts",
    arguments: ["--directory", file, "--items", `${count}`],
  });
  return "error" in outcome ? outcome.error : undefined;
}

const BOUND = { bound: { atMost: 1.5 }, of: "×" };

function failed(error: string): Measured {
  const name = "claim beside 100,000 parked runs";
  return {
    results: [judge({ name, metric: "claim p50", unit: "µs", value: null, ratio: null, ...BOUND, error })],
    tables: [],
    rows: [],
  };
}

function report(all: Awaited<ReturnType<typeof roundRobin>>, count: number): Measured {
  const empty = find(all, "0");
  const full = find(all, `${count}`);
  const value = medianOf(full, "claimP50Micros");
  const before = medianOf(empty, "claimP50Micros");
  const rss = medianOf(full, "rssMb");
  const rssBefore = medianOf(empty, "rssMb");
  return {
    results: [
      judge({
        name: `claim beside ${count.toLocaleString("en-US")} parked runs`,
        metric: "claim p50, SQLite",
        unit: "µs",
        value,
        peers: { "nothing parked": peerFigure(before, empty?.error) },
        ratio: pairedRatio(seriesOf(full, "claimP50Micros"), seriesOf(empty, "claimP50Micros")),
        ...BOUND,
        error: full?.error,
      }),
      judge({
        name: `memory of a worker beside ${count.toLocaleString("en-US")} parked runs`,
        metric: "RSS of a fresh idle worker, SQLite",
        unit: "MB",
        value: rss,
        peers: { "nothing parked": peerFigure(rssBefore, empty?.error) },
        ratio: pairedRatio(seriesOf(full, "rssMb"), seriesOf(empty, "rssMb")),
        error: full?.error,
      }),
    ],
    tables: [
      {
        title: "Claiming one ready run from a SQLite file",
        header: ["parked", "claims", "p50 µs", "p99 µs", "RSS MB"],
        rows: all.map((rounds) => [
          Number(rounds.id).toLocaleString("en-US"),
          `${rounds.lines[0]?.["claims"] ?? "–"}`,
          ...["claimP50Micros", "claimP99Micros", "rssMb"].map((key) => figure(medianOf(rounds, key))),
        ]),
      },
    ],
    rows: all.map((rounds) => ({ id: rounds.id, error: rounds.error, rounds: rounds.lines })),
  };
}
