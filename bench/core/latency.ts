// From start() to the result of a run of four no-op steps, one at a time on an idle SQLite store.
import { type Bench, medianOf, roundRobin, scaled } from "../bench.ts";
import { type Measured, judge } from "../result.ts";
import { figure } from "../table.ts";

export async function measureLatency(bench: Bench): Promise<Measured> {
  const counts = ["--store", "sqlite", "--runs", `${scaled(bench, 300, 20)}`, "--data", bench.data];
  const all = await roundRobin(bench, [{ id: "latency", spec: { file: "subjects/latency.ts", arguments: counts } }]);
  const rounds = all[0];
  return {
    results: [
      judge({
        name: "start → result of a 4-step run",
        metric: "p50, SQLite idle, synchronous=FULL",
        unit: "ms",
        value: medianOf(rounds, "p50Ms"),
        error: rounds?.error,
      }),
    ],
    tables: [
      {
        title: "start → result, 4 no-op steps, idle SQLite",
        header: ["runs", "p50 ms", "p99 ms"],
        rows: [
          [
            `${rounds?.lines[0]?.["runs"] ?? "–"}`,
            figure(medianOf(rounds, "p50Ms")),
            figure(medianOf(rounds, "p99Ms")),
          ],
        ],
      },
    ],
    rows: all.map((each) => ({ id: each.id, error: each.error, rounds: each.lines })),
  };
}
