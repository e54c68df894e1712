// Durable steps per second on Postgres: runs of ten no-op steps, flujo beside DBOS, OpenWorkflow and Effect on one server.
import { type Bench, bestOfEach, find, medianOf, pairedRatio, roundRobin, seriesOf } from "../bench.ts";
import { type Contest, at, best, contestants, peers, settingsTable, stepsTable } from "../contest.ts";
import { type Measured, type Result, judge } from "../result.ts";
import type { Rounds } from "../bench.ts";

const IN_FLIGHT = [16, 100] as const;
const JUDGED = 100;
const FLUJO = "flujo Postgres";
const PEERS = ["DBOS", "OpenWorkflow", "Effect workflow"];

function contest(url: string): Contest<(typeof IN_FLIGHT)[number]> {
  const extra = ["--url", url];
  return {
    loads: IN_FLIGHT,
    subjects: [
      {
        id: FLUJO,
        file: "subjects/steps.ts",
        extra: [...extra, "--store", "postgres"],
        runs: { 16: 1500, 100: 3000 },
        bursts: 3,
      },
      { id: "DBOS", file: "peers/dbos.mjs", extra, runs: { 16: 300, 100: 400 } },
      { id: "OpenWorkflow", file: "peers/openworkflow-postgres.mjs", extra, runs: { 16: 300, 100: 400 } },
      { id: "Effect workflow", file: "peers/effect-postgres.mjs", extra, runs: { 16: 100, 100: 200 } },
    ],
  };
}

export async function measurePostgresSteps(bench: Bench): Promise<Measured> {
  const { url } = await bench.servers.postgres();
  const all = contest(url);
  const rounds = await roundRobin(bench, contestants(bench, all));
  const title = "Postgres, fsync on: runs of 10 no-op steps (p50, p99: one whole run; ±: extremes of the rounds)";
  return {
    results: results(rounds, all),
    tables: [stepsTable(rounds, all, title), settingsTable(rounds, all)],
    rows: rounds.map(({ id, error, lines }) => ({ id, error, rounds: lines })),
  };
}

function results(all: readonly Rounds[], contestOf: Contest<(typeof IN_FLIGHT)[number]>): Result[] {
  const ours = find(all, at(FLUJO, JUDGED));
  const metric = `${JUDGED} in flight, fsync on`;
  const shared = { unit: "steps/s", value: medianOf(ours, "stepsPerSecond"), error: ours?.error };
  const bestPeer = bestOfEach(PEERS.map((id) => best(all, contestOf, id)));
  return [
    judge({ ...shared, name: "Postgres steps/s", metric, bound: { atLeast: 20_000 } }),
    judge({
      ...shared,
      name: "Postgres steps/s beside the best peer",
      metric: `${metric}; peers: their best of ${IN_FLIGHT.join(", ")}`,
      peers: peers(all, contestOf, PEERS),
      ratio: pairedRatio(seriesOf(ours, "stepsPerSecond"), bestPeer),
      bound: { atLeast: 10 },
      of: "×",
    }),
  ];
}
