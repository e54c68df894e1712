// What three workers with nothing to do ask of their server.
import { type Bench, find, medianOf, roundRobin } from "../bench.ts";
import { settings } from "../contest.ts";
import { type Measured, judge } from "../result.ts";
import { figure } from "../table.ts";

const WORKERS = 3;
const STORES = ["postgres", "redis"] as const;

export async function measureIdle(bench: Bench): Promise<Measured> {
  const urls = { postgres: (await bench.servers.postgres()).url, redis: (await bench.servers.redis("everysec")).url };
  // Once: requests are counted, not timed.
  const all = await roundRobin(
    { ...bench, rounds: 1 },
    STORES.map((store) => {
      const options = ["--store", store, "--url", urls[store], "--workers", `${WORKERS}`];
      return { id: store, spec: { file: "subjects/idle-cluster.ts", arguments: options } };
    }),
  );
  return {
    results: STORES.map((store) =>
      judge({
        name: `idle cluster of ${WORKERS} workers, ${store}`,
        metric: "requests a second and worker",
        unit: "1/s",
        value: medianOf(find(all, store), "perSecondAndWorker"),
        bound: { atMost: 1 },
        error: find(all, store)?.error,
      }),
    ),
    tables: [
      {
        title: `${WORKERS} idle worker processes: requests a second and worker, and which`,
        header: ["store", "1/s", "counted by", "requests"],
        rows: STORES.map((store) => {
          const rounds = find(all, store);
          const line = rounds?.lines[0];
          const counted: unknown = line?.["settings"];
          return [
            store,
            figure(medianOf(rounds, "perSecondAndWorker")),
            typeof counted === "object" && counted !== null && "counted" in counted ? String(counted.counted) : "–",
            rounds?.error ?? settings(line?.["calls"]),
          ];
        }),
      },
    ],
    rows: all.map(({ id, error, lines }) => ({ id, error, rounds: lines })),
  };
}
