// What it costs to keep rules on ten thousand keys: queued runs through a queue with rules and through one without. Judged is
// throughput as everywhere here, in steps a second, with runs as short as those whose latency is measured.
import { type Bench, type Rounds, find, medianOf, roundRobin, scaled } from "../bench.ts";
import { type Measured, type Result, judge } from "../result.ts";
import { type Table, figure } from "../table.ts";

const STORES = ["memory", "sqlite", "postgres", "redis"] as const;
const KEYS = 10_000;
const IN_FLIGHT = 100;
const TIMEOUT_MS = 300_000;

const TARGET = { atMost: 1.1 };

// Runs through each queue, and how often. In memory ten thousand take less time than a collection of garbage.
const STEPS: Level = {
  id: "steps",
  file: "subjects/limits.ts",
  what: `four-step runs worked off by one worker, ${IN_FLIGHT} in flight`,
  unit: "steps/s",
  steps: 4,
  bursts: 5,
  runs: { memory: 20_000, sqlite: 3_000, postgres: 3_000, redis: 3_000 },
  bound: TARGET,
  cpu: true,
};
// No target. Rules are asked when a run is claimed, so a run of one step that does nothing is the worst there is.
const WORST: Level = {
  ...STEPS,
  id: "worst",
  what: `one-step runs worked off by one worker, ${IN_FLIGHT} in flight`,
  steps: 1,
  bursts: 3,
  runs: { memory: 30_000, sqlite: 5_000, postgres: 5_000, redis: 5_000 },
  bound: undefined,
};
// Neither: what a store does is a part of what a run takes, and how large a part is the engine's affair.
const STORE: Level = {
  id: "store",
  file: "subjects/store-limits.ts",
  what: `runs at the store itself: create, claim ${IN_FLIGHT}, end ${IN_FLIGHT}`,
  unit: "runs/s",
  steps: 1,
  bursts: 3,
  runs: { memory: 50_000, sqlite: 10_000, postgres: 10_000, redis: 10_000 },
  bound: undefined,
  cpu: false,
};
const LEVELS: readonly Level[] = [STEPS, WORST, STORE];

interface Level {
  readonly id: string;
  readonly file: string;
  readonly what: string;
  readonly unit: string;
  readonly steps: number;
  readonly bursts: number;
  readonly runs: Readonly<Record<(typeof STORES)[number], number>>;
  readonly bound: { readonly atMost: number } | undefined;
  /** Whether it measures CPU time, too. */
  readonly cpu: boolean;
}

const idOf = ({ id }: Level, store: string) => `${store} ${id}`;

export async function measureLimits(bench: Bench): Promise<Measured> {
  const servers: Record<string, string> = {
    postgres: (await bench.servers.postgres()).url,
    redis: (await bench.servers.redis("everysec")).url,
  };
  const keys = scaled(bench, KEYS, 500);
  const all = await roundRobin(
    bench,
    LEVELS.flatMap((level) =>
      STORES.map((store) => {
        const url = servers[store];
        const options = ["--store", store, "--data", bench.data, ...(url === undefined ? [] : ["--url", url])];
        const runs = scaled(bench, level.runs[store], 500);
        const counts = [
          "--runs",
          `${runs}`,
          "--items",
          `${keys}`,
          "--steps",
          `${level.steps}`,
          "--bursts",
          `${level.bursts}`,
        ];
        const spec = { file: level.file, arguments: [...counts, "--concurrency", `${IN_FLIGHT}`, ...options] };
        return { id: idOf(level, store), spec: { ...spec, exposeGc: true, timeoutMs: TIMEOUT_MS } };
      }),
    ),
  );
  const shown = keys.toLocaleString("en-US");
  return {
    results: LEVELS.flatMap((level) => STORES.map((store) => result(all, level, { store, keys: shown }))),
    tables: LEVELS.map((level) => table(all, level, shown)),
    rows: all.map(({ id, error, lines }) => ({ id, error, rounds: lines })),
  };
}

function result(all: readonly Rounds[], level: Level, { store, keys }: { store: string; keys: string }): Result {
  const rounds = find(all, idOf(level, store));
  return judge({
    name: `rules on ${keys} keys, ${store}`,
    metric: `time beside no rules, ${level.what}`,
    unit: level.unit,
    value: medianOf(rounds, "governedPerSecond"),
    peers: { "no rules": medianOf(rounds, "freePerSecond") ?? { error: rounds?.error ?? "not measured" } },
    ratio: medianOf(rounds, "cost"),
    ...(level.bound && { bound: level.bound, of: "×" }),
    error: rounds?.error,
  });
}

/** A header, and the figure below it. */
type Column = readonly [header: string, key: string];

const columnsOf = ({ cpu }: Level): readonly Column[] => [
  ["no rules", "freePerSecond"],
  ["concurrency", "governedPerSecond"],
  ["cost ×", "cost"],
  ...(cpu ? [["CPU ×", "cpuCost"] as const] : []),
  ["concurrency + rates", "ratedPerSecond"],
  ["cost ×", "ratedCost"],
  ...(cpu ? [["CPU ×", "ratedCpuCost"] as const] : []),
];

const table = (all: readonly Rounds[], level: Level, keys: string): Table => ({
  title: `${level.unit} over ${keys} keys, ${level.what}`,
  header: ["store", ...columnsOf(level).map(([header]) => header), "error"],
  rows: STORES.map((store) => {
    const rounds = find(all, idOf(level, store));
    return [store, ...columnsOf(level).map(([, key]) => figure(medianOf(rounds, key))), rounds?.error ?? ""];
  }),
});
