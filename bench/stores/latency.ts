// How long one run takes on an idle server: start to result, signal to resume, start here to first step elsewhere.
import { type Bench, type Rounds, find, medianOf, roundRobin, scaled } from "../bench.ts";
import { type Measured, judge } from "../result.ts";
import { figure } from "../table.ts";

const STORES = ["postgres", "redis"] as const;
const PATHS = [
  { id: "start → result of a 4-step run", file: "subjects/latency.ts", atMost: 3 },
  { id: "signal → the waiting step begins", file: "subjects/signal.ts", atMost: 3 },
  { id: "queued start → first step in another process", file: "subjects/queued-start.ts", atMost: 5 },
] as const;
const RUNS = 300;

const NAMES = { postgres: "Postgres", redis: "Redis, AOF everysec" };

export async function measureLatencies(bench: Bench): Promise<Measured> {
  const urls = { postgres: (await bench.servers.postgres()).url, redis: (await bench.servers.redis("everysec")).url };
  const counts = ["--runs", `${scaled(bench, RUNS, 20)}`];
  const cases = STORES.flatMap((store) =>
    PATHS.map((path) => ({ ...path, store, key: `${path.id}, ${NAMES[store]}` })),
  );
  const all = await roundRobin(
    bench,
    cases.map(({ key, file, store }) => {
      return { id: key, spec: { file, arguments: [...counts, "--store", store, "--url", urls[store]] } };
    }),
  );
  const of = (key: string): Rounds | undefined => find(all, key);
  return {
    results: cases.map(({ key, atMost }) =>
      judge({
        name: key,
        metric: "p50, idle, one at a time",
        unit: "ms",
        value: medianOf(of(key), "p50Ms"),
        bound: { atMost },
        error: of(key)?.error,
      }),
    ),
    tables: [
      {
        title: "Latency on an idle server, one run at a time",
        header: ["what", "runs", "p50 ms", "p99 ms", "error"],
        rows: cases.map(({ key }) => [
          key,
          `${of(key)?.lines[0]?.["runs"] ?? "–"}`,
          ...["p50Ms", "p99Ms"].map((each) => figure(medianOf(of(key), each))),
          of(key)?.error ?? "",
        ]),
      },
    ],
    rows: all.map(({ id, error, lines }) => ({ id, error, rounds: lines })),
  };
}
