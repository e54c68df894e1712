// One, two and four worker processes on one server, working off a backlog. No target: the machine has few cores, and the server
// wants some of them.
import { type Bench, find, medianOf, roundRobin, scaled, summaryOf } from "../bench.ts";
import { type Measured, judge } from "../result.ts";
import { spreadPercent } from "../stats.ts";
import { figure } from "../table.ts";

const STORES = ["postgres", "redis"] as const;
const COUNTS = [1, 2, 4] as const;
const RUNS = 3_000;
const IN_FLIGHT = 100;

export async function measureWorkers(bench: Bench): Promise<Measured> {
  const urls = { postgres: (await bench.servers.postgres()).url, redis: (await bench.servers.redis("everysec")).url };
  const load = ["--runs", `${scaled(bench, RUNS, 50)}`, "--concurrency", `${IN_FLIGHT}`];
  const cases = STORES.flatMap((store) => COUNTS.map((count) => ({ id: `${store} × ${count}`, store, count })));
  const all = await roundRobin(
    bench,
    cases.map(({ id, store, count }) => {
      const options = [...load, "--store", store, "--url", urls[store], "--workers", `${count}`];
      return { id, spec: { file: "subjects/cluster.ts", arguments: options } };
    }),
  );
  return {
    results: cases.map(({ id, store, count }) =>
      judge({
        name: `${count} worker process${count === 1 ? "" : "es"}, ${store}`,
        metric: `backlog of queued runs, ${IN_FLIGHT} in flight each`,
        unit: "steps/s",
        value: medianOf(find(all, id), "stepsPerSecond"),
        error: find(all, id)?.error,
      }),
    ),
    tables: [
      {
        title: "Worker processes on one server: a backlog of queued runs of 10 no-op steps",
        header: ["store", "workers", "runs", "steps/s", "±%", "starts/s", "error"],
        rows: cases.map(({ id, store, count }) => {
          const rounds = find(all, id);
          const rate = summaryOf(rounds, "stepsPerSecond");
          return [
            store,
            `${count}`,
            figure(medianOf(rounds, "runs")),
            figure(rate?.median),
            rate === undefined ? "–" : spreadPercent(rate).toFixed(0),
            figure(medianOf(rounds, "startsPerSecond")),
            rounds?.error ?? "",
          ];
        }),
      },
    ],
    rows: all.map(({ id, error, lines }) => ({ id, error, rounds: lines })),
  };
}
