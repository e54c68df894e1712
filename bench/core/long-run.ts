// One long run: does step 10,000 cost what step 10 costs, and how close does one sequential run come to the bare driver?
import { type Bench, find, medianOf, pairedRatio, roundRobin, scaled, seriesOf } from "../bench.ts";
import { type Measured, judge, peerFigure } from "../result.ts";
import { figure } from "../table.ts";

const STORES = ["memory", "sqlite"] as const;
const RAW = "libsql, 1 row per commit";
const FIGURES = [
  "microsAtStep10",
  "microsAtStep10000",
  "meanMicrosAtStep10",
  "meanMicrosAtStep10000",
  "ratio",
  "stepsPerSecond",
];

/** Measures a counted loop of 10,000 iterations over one no-op step, beside one-row commits of the driver. */
export async function measureLongRun(bench: Bench): Promise<Measured> {
  const all = await roundRobin(bench, [
    ...STORES.map((store) => ({
      id: store,
      spec: { file: "subjects/long-run.ts", arguments: ["--store", store, "--data", bench.data] },
    })),
    {
      id: RAW,
      spec: {
        file: "peers/raw-libsql.mjs",
        arguments: ["--concurrency", "1", "--runs", `${scaled(bench, 8000, 500)}`, "--data", bench.data],
      },
    },
  ]);
  const raw = find(all, RAW);
  const rawRate = medianOf(raw, "rowsPerSecond");
  const sequential = medianOf(find(all, "sqlite"), "stepsPerSecond");
  const flat = STORES.map((store) => {
    const ratio = medianOf(find(all, store), "ratio");
    return judge({
      name: `step 10,000 beside step 10, ${store}`,
      metric: "median time of a step in a window of 500 steps",
      unit: "µs",
      value: medianOf(find(all, store), "microsAtStep10000"),
      peers: { "step 10": peerFigure(medianOf(find(all, store), "microsAtStep10"), find(all, store)?.error) },
      ratio,
      bound: { atMost: 1.2 },
      of: "×",
      error: find(all, store)?.error,
    });
  });
  return {
    results: [
      ...flat,
      judge({
        name: "one sequential run on SQLite beside the bare driver",
        metric: "10,500 steps, each durable before the next",
        unit: "steps/s",
        value: sequential,
        peers: { [RAW]: peerFigure(rawRate, raw?.error) },
        ratio: pairedRatio(seriesOf(find(all, "sqlite"), "stepsPerSecond"), seriesOf(raw, "rowsPerSecond")),
        bound: { atLeast: 0.5 },
        of: "×",
        error: find(all, "sqlite")?.error,
      }),
    ],
    tables: [
      {
        title: "One run of 10,500 steps (µs per step, windows of 500 steps from step 10 and from step 10,000)",
        header: ["store", "median @10", "median @10,000", "mean @10", "mean @10,000", "ratio", "steps/s"],
        rows: STORES.map((store) => [store, ...FIGURES.map((key) => figure(medianOf(find(all, store), key)))]),
      },
    ],
    rows: all.map((rounds) => ({ id: rounds.id, error: rounds.error, rounds: rounds.lines })),
  };
}
