// OpenWorkflow's result() polls, so completion is taken where it becomes durable: when completeWorkflowRun resolves.
// All runs are enqueued first (a backlog), which suits its polling worker best; enqueueing is part of the measured time.
// Needs node:sqlite, hence Node 22 or newer.
import { join } from "node:path";
import { OpenWorkflow } from "openworkflow";
import { BackendSqlite } from "openworkflow/sqlite";
import {
  STEPS_PER_RUN,
  arguments_,
  assertOutput,
  measured,
  report,
  scratchDirectory,
  versionOf,
} from "./closed-loop.mjs";

/** Watches claims and completions; `next(n)` resolves with the latencies (claim → durable completion) of the next n runs. */
function watch(backend) {
  const claimedAt = new Map();
  let latencies = [];
  let wanted = Number.POSITIVE_INFINITY;
  let resolve = () => {};
  const claim = backend.claimWorkflowRun.bind(backend);
  backend.claimWorkflowRun = async (parameters) => {
    const run = await claim(parameters);
    if (run) claimedAt.set(run.id, performance.now());
    return run;
  };
  const complete = backend.completeWorkflowRun.bind(backend);
  backend.completeWorkflowRun = async (parameters) => {
    const run = await complete(parameters);
    assertOutput(parameters.output, STEPS_PER_RUN);
    latencies.push(performance.now() - claimedAt.get(run.id));
    claimedAt.delete(run.id);
    if (latencies.length === wanted) resolve(latencies);
    return run;
  };
  return (count) =>
    new Promise((done) => {
      latencies = [];
      wanted = count;
      resolve = done;
    });
}

const scratch = scratchDirectory();
try {
  const backend = BackendSqlite.connect(join(scratch.path, "openworkflow.db"));
  backend.db.exec(`PRAGMA synchronous=${arguments_.synchronous}`);
  const pragma = (name) => Object.values(backend.db.prepare(`PRAGMA ${name}`).get())[0];
  const completions = watch(backend);
  const client = new OpenWorkflow({ backend });
  const bench = client.defineWorkflow({ name: "bench" }, async ({ input, step }) => {
    let x = input.x;
    for (let i = 0; i < STEPS_PER_RUN; i++) x = await step.run({ name: `s${i}` }, async () => x + 1);
    return x;
  });
  const worker = client.newWorker({ concurrency: arguments_.concurrency });
  await worker.start();
  const backlog = async (runs) => {
    const finished = completions(runs);
    for (let i = 0; i < runs; i++) await bench.run({ x: 0 });
    return finished;
  };
  await backlog(Math.max(5, Math.ceil(arguments_.concurrency * 1.5)));
  const figures = await measured(() => backlog(arguments_.runs));
  await worker.stop();
  report(
    {
      name: "OpenWorkflow (SQLite)",
      version: versionOf("openworkflow"),
      settings: {
        store: `node:sqlite ${pragma("journal_mode")}`,
        journalMode: pragma("journal_mode"),
        synchronous: pragma("synchronous"),
        fsync: arguments_.synchronous === "FULL" ? "every commit" : "checkpoints only",
        load: "backlog, one worker",
      },
    },
    figures,
  );
  await backend.stop();
} finally {
  scratch.dispose();
}
