import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Flujo, RunHandle } from "flujo";
import { approval } from "./approval.ts";
import type { Closing } from "./closing.ts";
import { closingText } from "./closing.ts";
import type { Display } from "./display.ts";
import { displayOn, silent } from "./display.ts";
import type { DemoFiles } from "./engine.ts";
import { filesIn, openClient, storeOf } from "./engine.ts";
import { executionsIn } from "./execution-log.ts";
import { documentsFlow } from "./flow.ts";
import { FolderError, listDocuments } from "./folder.ts";
import type { DemoOptions } from "./options.ts";
import { parseOptions, USAGE, UsageError } from "./options.ts";
import type { Kill } from "./proof.ts";
import { holds, prove } from "./proof.ts";
import type { Published } from "./publish.ts";
import { isHalfWay, Watch } from "./watch.ts";
import { WorkerProcess } from "./worker-process.ts";

const FAILED = 1;
const MISUSED = 2;
const INTERRUPTED = 130;
/** Short enough to catch the half-way point of a run that takes two seconds. */
const LOOK_EVERY_MS = 20;
/** Looking takes longer in a long history; it may take up a fifth of the time, no more. */
const PAUSE_PER_LOOK = 4;

/** One run of the demo while it lasts. */
interface Scene {
  readonly options: DemoOptions;
  readonly client: Flujo;
  readonly handle: RunHandle<Published | null>;
  readonly files: DemoFiles;
  readonly folder: string;
  readonly display: Display;
  readonly workers: WorkerProcess[];
  readonly interrupt: () => void;
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2), process.cwd());
  if (options === undefined) {
    process.stdout.write(USAGE);
    return 0;
  }
  const { folder, out, targetWords, json } = options;
  const names = (await listDocuments(folder, { targetWords, reportFolder: out })).map(({ file }) => file);
  const id = `documents-${randomUUID()}`;
  const state = join(out, ".runs", id);
  await mkdir(state, { recursive: true });
  const files = filesIn(state);
  const display = json ? silent : displayOn(process.stdout, names, process.env["NO_COLOR"] === undefined);
  display.say(`${names.length === 1 ? "1 file" : `${names.length} files`} in ${shown(folder)}, run ${id}`);

  const workers: WorkerProcess[] = [];
  const interrupt = (): void => {
    for (const worker of workers) void worker.kill();
    process.exit(INTERRUPTED);
  };
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  try {
    await using client = openClient(files);
    const handle = await client.start(documentsFlow(files.log), { folder, out, targetWords }, { id });
    const closing = await play({ options, client, handle, files, folder: state, display, workers, interrupt });
    process.stdout.write(json ? `${JSON.stringify(closing, null, 2)}\n` : `${closingText(closing)}\n`);
    return closing.ok ? 0 : FAILED;
  } finally {
    await Promise.all(workers.map((worker) => worker.kill()));
  }
}

/** Watches the run to its end: kills the worker half-way, passes on the human's answer, and compares the records. */
async function play(scene: Scene): Promise<Closing> {
  const { options, handle, display } = scene;
  const started = performance.now();
  const watch = new Watch(scene.client, handle.runId);
  let worker = hire(scene);
  let kill: Kill | undefined;
  for (;;) {
    const looked = performance.now();
    const { status, pauses } = await handle.get();
    const progress = await watch.look();
    display.progress(progress);
    if (status === "completed" || status === "failed" || status === "cancelled") break;
    const asked = status === "paused" ? pauses[0] : undefined;
    if (options.kill && kill === undefined && (isHalfWay(progress) || asked !== undefined)) {
      kill = await killed(scene, worker, watch);
      worker = hire(scene);
      display.say("It takes over what the other one held as soon as the lease has run out, after 2.5 s.");
    } else if (asked !== undefined) {
      await answer(scene, asked.question);
    }
    if (worker.death !== undefined) throw new Error(`worker ${worker.pid} died: ${worker.death}`);
    await pause(Math.max(LOOK_EVERY_MS, PAUSE_PER_LOOK * (performance.now() - looked)));
  }
  return closingOf(scene, { kill, watch, seconds: (performance.now() - started) / 1_000 });
}

function hire({ workers, folder, display }: Scene): WorkerProcess {
  const worker = new WorkerProcess(folder);
  workers.push(worker);
  display.say(`Worker ${worker.pid} started.`);
  return worker;
}

async function killed({ display }: Scene, worker: WorkerProcess, watch: Watch): Promise<Kill> {
  const { pid } = worker;
  await worker.kill();
  // Looked at after the process is gone: whatever it managed to store by then counts as finished.
  const { finished } = await watch.look();
  display.say(`Worker ${pid} was killed with SIGKILL; ${finished.length} steps had finished.`);
  return { pid, finished };
}

async function answer({ client, handle, display, options, interrupt }: Scene, question: unknown): Promise<void> {
  display.settle();
  const terminal = { input: process.stdin, output: process.stdout };
  const { ok, by } = await approval(String(question), { ...options, interrupt }, terminal);
  if (by === "no terminal") display.say("There is no terminal to ask on, so the demo approves the report itself.");
  if (by === "--yes") display.say("Approved by --yes.");
  await client.answer(handle.runId, { ok });
}

async function closingOf(
  { handle, files, workers, display }: Scene,
  { kill, watch, seconds }: { readonly kill: Kill | undefined; readonly watch: Watch; readonly seconds: number },
): Promise<Closing> {
  const result = await handle.result({ until: "end" });
  const { finished } = await watch.look();
  const proof = prove(finished, executionsIn(files.log, handle.runId), kill);
  if (result.status === "failed") display.say(`The run failed: ${result.failure.message}`);
  const report = result.status === "completed" ? result.output : null;
  return {
    run: handle.runId,
    status: result.status,
    ok: report !== null && holds(proof),
    report,
    workers: workers.map(({ pid }) => pid),
    killedAfterSteps: kill?.finished.length ?? null,
    proof,
    seconds,
    historyCommand: `npx flujo history ${handle.runId} --store ${storeOf(files)}`,
  };
}

function shown(path: string): string {
  const near = relative(process.cwd(), path);
  return near === "" ? "." : near.startsWith("..") ? path : near;
}

try {
  process.exitCode = await main();
} catch (error) {
  const expected = error instanceof UsageError || error instanceof FolderError;
  process.stderr.write(expected ? `${error.message}\n` : `${error instanceof Error ? error.stack : String(error)}\n`);
  if (error instanceof UsageError) process.stderr.write(`\n${USAGE}`);
  process.exitCode = expected ? MISUSED : FAILED;
}
