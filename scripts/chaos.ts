/**
 * Mistreats worker processes, their server and the network while they work, then compares the store with what was seen outside.
 *
 *   npm run chaos -- postgres|redis|sqlite [--seconds 180] [--workers 6] [--seed N] [--json]
 *   npm run chaos -- recovery postgres|redis|sqlite [--repetitions 20] [--runs 1000] [--json]
 *
 * Starts servers of its own. Exit code 1 when anything was violated.
 */
import { parseArgs } from "node:util";
import { chaos, type ChaosReport } from "../test/chaos/chaos.ts";
import { measureRecovery, type RecoveryReport } from "../test/recovery/measure.ts";
import { type ChaosStore, STORE_NAMES } from "../test/chaos/site.ts";

const SHOWN = 40;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "180" },
    workers: { type: "string", default: "6" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    repetitions: { type: "string", default: "20" },
    runs: { type: "string", default: "1000" },
    json: { type: "boolean", default: false },
  },
});

function storeNamed(name: string | undefined): ChaosStore {
  const store = STORE_NAMES.find((one) => one === name);
  if (store === undefined) throw new Error(`expected one of ${STORE_NAMES.join(", ")} but found "${name ?? ""}"`);
  return store;
}

function count(name: "seconds" | "workers" | "seed" | "repetitions" | "runs"): number {
  const number = Number(values[name]);
  if (!Number.isInteger(number) || number < 1) throw new Error(`--${name}: expected a whole number of at least 1`);
  return number;
}

function page(report: ChaosReport): string {
  const { violations, faults, ...rest } = report;
  const row = ([name, number]: readonly [string, unknown]): string =>
    `  ${name.padEnd(34)}${String(number).padStart(8)}`;
  return [
    `chaos on ${report.store}, seed ${report.seed}, ${report.seconds} s`,
    "",
    "faults",
    ...Object.entries(faults).map(row),
    "",
    "work",
    ...(
      [
        ["runs accepted", rest.runs],
        ["executions of steps", rest.executions],
        ["repeated executions", rest.repeated],
        ["most of one attempt", rest.mostOfOneAttempt],
        ["commits acknowledged", rest.commits],
        ["commits refused by the fence", rest.refusedCommits],
        ["worker processes", rest.processes],
        ["questions asked again", rest.refused],
        ["recovery after the last fault, ms", rest.recoveryMs],
      ] as const
    ).map(row),
    "",
    violations.length === 0 ? "no violation" : `${violations.length} violations`,
    ...violations.slice(0, SHOWN).map((what) => `  ${what}`),
  ].join("\n");
}

async function mistreat(store: ChaosStore): Promise<boolean> {
  const report = await chaos({
    ...{ store, seconds: count("seconds"), workers: count("workers"), seed: count("seed") },
    tell: (line) => console.error(line),
  });
  console.log(values.json ? JSON.stringify(report, undefined, 2) : page(report));
  return report.violations.length === 0;
}

async function recover(store: ChaosStore): Promise<boolean> {
  const found = await measureRecovery({
    ...{ store, repetitions: count("repetitions"), runs: count("runs") },
    tell: (line) => console.error(line),
  });
  console.log(values.json ? JSON.stringify(found, undefined, 2) : recoveryPage(found));
  return found.violations.length === 0;
}

function recoveryPage({ store, runs, adoptionMs, handOverMs, violations }: RecoveryReport): string {
  const line = (what: string, times: readonly number[]): string => {
    const sorted = [...times].sort((a, b) => a - b);
    const [median, worst] = [sorted[Math.floor(sorted.length / 2)] ?? 0, sorted.at(-1) ?? 0];
    return `  ${what.padEnd(34)}${median.toFixed(0).padStart(8)}${worst.toFixed(0).padStart(8)}   (${times.length} times)`;
  };
  return [
    `recovery on ${store}, ms`.padEnd(38) + "median".padStart(6) + "worst".padStart(8),
    line(`SIGKILL with ${runs} runs, all adopted`, adoptionMs),
    line("SIGTERM, all handed over", handOverMs),
    violations.length === 0 ? "no violation" : `${violations.length} violations`,
    ...violations.slice(0, SHOWN).map((what) => `  ${what}`),
  ].join("\n");
}

const [first, second] = positionals;
const fine = first === "recovery" ? await recover(storeNamed(second)) : await mistreat(storeNamed(first));
process.exitCode = fine ? 0 : 1;
