// The load every peer sees: `concurrency` runs in flight, the next one starts when one ends, `runs` in total.
// Each peer is a process of its own (clean heap, clean JIT, clean RSS) and prints one line of JSON.
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";

export const STEPS_PER_RUN = 10;

export const arguments_ = readArguments();

function readArguments() {
  const { values } = parseArgs({
    options: {
      runs: { type: "string", default: "200" },
      concurrency: { type: "string", default: "16" },
      "warmup-ms": { type: "string", default: "700" },
      bursts: { type: "string", default: "1" },
      items: { type: "string", default: "1000" },
      steps: { type: "string", default: "1" },
      turns: { type: "string", default: "50" },
      characters: { type: "string", default: "16" },
      "cost-limit": { type: "boolean", default: false },
      messages: { type: "string", default: "whole" },
      data: { type: "string" },
      place: { type: "string" },
      beside: { type: "string" },
      workers: { type: "string", default: "1" },
      store: { type: "string", default: "memory" },
      synchronous: { type: "string", default: "FULL" },
      url: { type: "string" },
    },
  });
  return {
    runs: wholeNumber("runs", values.runs),
    concurrency: wholeNumber("concurrency", values.concurrency),
    warmupMs: wholeNumber("warmup-ms", values["warmup-ms"]),
    bursts: wholeNumber("bursts", values.bursts),
    items: wholeNumber("items", values.items),
    steps: wholeNumber("steps", values.steps),
    turns: wholeNumber("turns", values.turns),
    characters: wholeNumber("characters", values.characters),
    costLimit: values["cost-limit"],
    messages: oneOf("messages", values.messages, ["whole", "delta"]),
    data: values.data,
    place: values.place,
    beside: values.beside,
    workers: wholeNumber("workers", values.workers),
    store: oneOf("store", values.store, ["memory", "sqlite", "postgres", "redis"]),
    synchronous: oneOf("synchronous", values.synchronous, ["FULL", "NORMAL"]),
    url: values.url,
  };
}

/** Parses a positive count given on the command line. */
function wholeNumber(name, text) {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new RangeError(`--${name} must be a positive integer, got ${text}`);
  return value;
}

function oneOf(name, value, allowed) {
  if (!allowed.includes(value)) throw new RangeError(`--${name} must be one of ${allowed.join(", ")}, got ${value}`);
  return value;
}

/** A fresh directory for this process's database; `dispose` removes it. */
export function scratchDirectory() {
  const root = arguments_.data ?? join(import.meta.dirname, "..", ".data");
  const directory = join(root, `peer-${process.pid}`);
  mkdirSync(directory, { recursive: true });
  return { path: directory, dispose: () => rmSync(directory, { recursive: true, force: true }) };
}

/** The installed version, read from the package's own manifest (many packages do not export it). */
export function versionOf(packageName) {
  const entry = createRequire(import.meta.url).resolve(packageName);
  for (let directory = dirname(entry); directory !== dirname(directory); directory = dirname(directory)) {
    const manifest = readManifest(join(directory, "package.json"));
    if (manifest?.name === packageName) return manifest.version;
  }
  throw new Error(`no package.json found for ${packageName}`);
}

function readManifest(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

/** Keeps `concurrency` calls of `runOnce` in flight until `next()` is exhausted; returns each latency in ms. */
async function lanes(concurrency, mayStart, runOnce) {
  const latencies = [];
  const lane = async () => {
    while (mayStart()) {
      const started = performance.now();
      await runOnce();
      latencies.push(performance.now() - started);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  return latencies;
}

/**
 * Warms up for a fixed time, then measures `bursts` times `runs` runs and keeps the median burst (in memory 1,000 runs last
 * some 50 ms: one burst would measure the garbage collector's mood). `runOnce` must reject on a wrong result.
 */
export async function closedLoop(runOnce) {
  const { runs, concurrency, warmupMs } = arguments_;
  const warmUntil = performance.now() + warmupMs;
  await lanes(concurrency, () => performance.now() < warmUntil, runOnce);
  const bursts = [];
  while (bursts.length < arguments_.bursts) {
    let started = 0;
    bursts.push(await measured(() => lanes(concurrency, () => started++ < runs, runOnce)));
  }
  bursts.sort((a, b) => a.stepsPerSecond - b.stepsPerSecond);
  return { ...bursts[Math.floor(bursts.length / 2)], bursts: bursts.length };
}

/** Times `load`, which resolves with one latency (ms) per run. */
export async function measured(load) {
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const latencies = await load();
  const wallMs = performance.now() - startedAt;
  const cpu = process.cpuUsage(cpuBefore);
  const sorted = [...latencies].sort((a, b) => a - b);
  return {
    runs: latencies.length,
    concurrency: arguments_.concurrency,
    stepsPerSecond: (latencies.length * STEPS_PER_RUN * 1000) / wallMs,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    cpuPercent: ((cpu.user + cpu.system) / 1000 / wallMs) * 100,
    rssMb: process.memoryUsage.rss() / 2 ** 20,
  };
}

/** The value below which the fraction `q` of the ascending numbers lies. */
export function quantile(sorted, q) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

/** The one line the parent reads. */
export function report(identity, figures) {
  process.stdout.write(`${JSON.stringify({ ...identity, node: process.version, ...figures })}\n`);
}

export function assertOutput(actual, expected) {
  if (actual !== expected) throw new Error(`wrong output: ${JSON.stringify(actual)}, expected ${expected}`);
}
