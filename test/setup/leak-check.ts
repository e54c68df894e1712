import { createRequire, syncBuiltinESMExports } from "node:module";
import type { Worker } from "node:worker_threads";

/**
 * Finds what a test left running: timers, servers, sockets, watchers, child processes, threads, process listeners.
 *
 * Three sources, because no single one sees everything on Node 20:
 * - process.getActiveResourcesInfo() counts handles, but not threads, and its "Timeout" also counts the runner's own
 *   (a report throttled by 100 ms), which made clean tests look guilty;
 * - so timers are recorded where they are made, which also gives the line that made them;
 * - threads announce themselves through the process event "worker".
 * A timer, handle or thread without a reference does not keep a process alive and is not counted.
 */
export interface Baseline {
  readonly handles: ReadonlyMap<string, number>;
  readonly timers: ReadonlySet<object>;
  readonly workers: ReadonlySet<Worker>;
  readonly listeners: ReadonlyMap<string, number>;
}

interface Tracked {
  readonly timers: Map<NodeJS.Timeout, string>;
  readonly sleeps: Map<object, string>;
  readonly workers: Set<Worker>;
}

const EVENTS = [
  "SIGTERM",
  "SIGINT",
  "SIGHUP",
  "exit",
  "beforeExit",
  "uncaughtException",
  "unhandledRejection",
] as const;
/** Timers are recorded precisely; the rest are single operations on their way, also of the runner. */
const IGNORED: ReadonlySet<string> = new Set(["Timeout", "Immediate", "CloseReq", "FSReqCallback", "FSReqPromise"]);
/** Closing takes a few turns of the loop (measured: a server 2, a child process 1 after "close", a thread 3). */
const TURNS = 20;
/** And a while for what others must confirm: with ten processes to a core a socket took over 150 ms. Only a suspect test pays. */
const GRACE_MS = 2_000;

const KEY: unique symbol = Symbol.for("flujo.test.leaks") as never;
const realSetTimeout = globalThis.setTimeout;
const realSetImmediate = globalThis.setImmediate;
// One record per process: test files may load this module again, and must not wrap the timers twice.
const shared = globalThis as { [KEY]?: Tracked };
const tracked: Tracked = (shared[KEY] ??= install());

export function takeBaseline(): Baseline {
  return {
    handles: countHandles(),
    timers: new Set<object>([...activeTimers().keys(), ...tracked.sleeps.keys()]),
    workers: new Set(tracked.workers),
    listeners: countListeners(),
  };
}

/** One line for each leak since the baseline; waits briefly for what is already closing. */
export async function leaksSince(baseline: Baseline): Promise<string[]> {
  let leaks = compare(baseline);
  for (let turn = 0; leaks.length > 0 && turn < TURNS; turn += 1) {
    await new Promise((resolve) => realSetImmediate(resolve));
    leaks = compare(baseline);
  }
  for (let waited = 0; leaks.length > 0 && waited < GRACE_MS; waited += 10) {
    await new Promise((resolve) => realSetTimeout(resolve, 10));
    leaks = compare(baseline);
  }
  return leaks;
}

function compare(baseline: Baseline): string[] {
  const timers = [...activeTimers(), ...tracked.sleeps].filter(([timer]) => !baseline.timers.has(timer));
  const workers = [...tracked.workers].filter((worker) => !baseline.workers.has(worker));
  return [
    ...timers.map(([, origin]) => `a timer is still running, started ${origin}`),
    ...workers.map((worker) => `thread ${worker.threadId} is still running`),
    ...increases(baseline.handles, countHandles(), (name) => `${name} is still open`),
    ...increases(baseline.listeners, countListeners(), (name) => `process still listens for "${name}"`),
  ];
}

function increases(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
  say: (name: string) => string,
): string[] {
  return [...after].flatMap(([name, count]) => {
    const more = count - (before.get(name) ?? 0);
    return more > 0 ? [`${say(name)} (${more} more than before)`] : [];
  });
}

function countHandles(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of process.getActiveResourcesInfo()) {
    if (!IGNORED.has(name)) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

function countListeners(): Map<string, number> {
  return new Map(EVENTS.map((event) => [event, process.listenerCount(event)]));
}

function activeTimers(): Map<NodeJS.Timeout, string> {
  for (const timer of tracked.timers.keys()) if (isDone(timer)) tracked.timers.delete(timer);
  return new Map([...tracked.timers].filter(([timer]) => timer.hasRef()));
}

/** Node marks a timer that fired or was cleared; there is no public way to ask. */
function isDone(timer: NodeJS.Timeout): boolean {
  return (timer as { _destroyed?: boolean })._destroyed === true;
}

function install(): Tracked {
  const record: Tracked = { timers: new Map(), sleeps: new Map(), workers: new Set() };
  process.on("worker", (worker) => {
    record.workers.add(worker);
    worker.once("exit", () => record.workers.delete(worker));
  });
  wrapTimers(record);
  return record;
}

/** Wraps the module and the globals, so that both `setTimeout` and `import … from "node:timers"` are seen. */
function wrapTimers(record: Tracked): void {
  const load = createRequire(import.meta.url);
  const timers = load("node:timers") as Record<string, unknown>;
  const sleeping = load("node:timers/promises") as { setTimeout: (...args: unknown[]) => Promise<unknown> };
  for (const name of ["setTimeout", "setInterval"] as const) {
    const real = globalThis[name] as (...args: unknown[]) => NodeJS.Timeout;
    const wrapped = (...args: unknown[]): NodeJS.Timeout => {
      const timer = real(...args);
      record.timers.set(timer, origin());
      return timer;
    };
    // util.promisify(setTimeout) finds its promise form through a symbol on the function.
    const replacement = Object.defineProperties(wrapped, Object.getOwnPropertyDescriptors(real));
    Object.assign(globalThis, { [name]: replacement });
    timers[name] = replacement;
  }
  const realSleep = sleeping.setTimeout;
  sleeping.setTimeout = (...args) => {
    const token = {};
    const options = args[2] as { ref?: boolean } | undefined;
    if (options?.ref !== false) record.sleeps.set(token, origin());
    return realSleep(...args).finally(() => record.sleeps.delete(token));
  };
  syncBuiltinESMExports();
}

/** The first line of the stack outside this file and the dependencies. */
function origin(): string {
  const lines = new Error("origin").stack?.split("\n").slice(1) ?? [];
  const line = lines.find((text) => !/leak-check|node_modules|node:/.test(text));
  return line?.trim() ?? "at an unknown place";
}
