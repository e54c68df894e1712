// Durable steps per second on Redis with its append-only file: runs of ten no-op steps, flujo beside a chain of BullMQ jobs.
import { type Bench, type Rounds, find, medianOf, pairedRatio, roundRobin, seriesOf } from "../bench.ts";
import { type Contest, at, best, contestants, peers, settingsTable, stepsTable } from "../contest.ts";
import { type Measured, type Result, judge } from "../result.ts";
import type { AppendFsync } from "../servers/servers.ts";

const IN_FLIGHT = [16, 100] as const;
const JUDGED = 100;
const POLICIES: readonly AppendFsync[] = ["everysec", "always"];

const flujoOn = (policy: AppendFsync) => `flujo Redis ${policy}`;
const bullOn = (policy: AppendFsync) => `BullMQ ${policy}`;

function subjects(policy: AppendFsync, url: string) {
  const extra = ["--url", url];
  return [
    {
      id: flujoOn(policy),
      file: "subjects/steps.ts",
      extra: [...extra, "--store", "redis"],
      runs: { 16: 1500, 100: 3000 },
      bursts: 3,
    },
    { id: bullOn(policy), file: "peers/bullmq.mjs", extra, runs: { 16: 1000, 100: 2000 } },
  ];
}

export async function measureRedisSteps(bench: Bench): Promise<Measured> {
  const urls = await Promise.all(POLICIES.map(async (policy) => (await bench.servers.redis(policy)).url));
  const contest = { loads: IN_FLIGHT, subjects: POLICIES.flatMap((policy, i) => subjects(policy, urls[i] ?? "")) };
  const rounds = await roundRobin(bench, contestants(bench, contest));
  const title =
    "Redis, AOF on: runs of 10 no-op steps (p50, p99: one whole run; BullMQ: a chain of 10 jobs, no results kept)";
  return {
    results: POLICIES.flatMap((policy) => results(rounds, contest, policy)),
    tables: [stepsTable(rounds, contest, title), settingsTable(rounds, contest)],
    rows: rounds.map(({ id, error, lines }) => ({ id, error, rounds: lines })),
  };
}

function results(all: readonly Rounds[], contest: Contest<(typeof IN_FLIGHT)[number]>, policy: AppendFsync): Result[] {
  const ours = find(all, at(flujoOn(policy), JUDGED));
  const metric = `${JUDGED} in flight, AOF ${policy}`;
  const judged = policy === "everysec";
  const shared = { unit: "steps/s", value: medianOf(ours, "stepsPerSecond"), error: ours?.error };
  return [
    judge({ ...shared, name: "Redis steps/s", metric, ...(judged && { bound: { atLeast: 30_000 } }) }),
    judge({
      ...shared,
      name: "Redis steps/s beside a BullMQ job chain",
      metric: `${metric}; BullMQ: its best of ${IN_FLIGHT.join(", ")}`,
      peers: peers(all, contest, [bullOn(policy)]),
      ratio: pairedRatio(seriesOf(ours, "stepsPerSecond"), best(all, contest, bullOn(policy))),
      of: "×",
      ...(judged && { bound: { atLeast: 1.8 } }),
    }),
  ];
}
