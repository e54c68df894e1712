// How OpenWorkflow is measured on any of its backends.
// OpenWorkflow's result() polls, so completion is taken where it becomes durable: when completeWorkflowRun resolves.
// All runs are enqueued first (a backlog), which suits its polling worker best; enqueueing is part of the measured time.
import { OpenWorkflow } from "openworkflow";
import { STEPS_PER_RUN, arguments_, assertOutput, measured } from "./closed-loop.mjs";

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

/** Warms a worker up and measures a backlog of `--runs` runs on it. `enqueuers` put runs in at once. */
export async function measureBacklog(backend, { enqueuers }) {
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
    let left = runs;
    const enqueue = async () => {
      while (left-- > 0) await bench.run({ x: 0 });
    };
    await Promise.all(Array.from({ length: enqueuers }, enqueue));
    return finished;
  };
  await backlog(Math.max(5, Math.ceil(arguments_.concurrency * 1.5)));
  const figures = await measured(() => backlog(arguments_.runs));
  await worker.stop();
  return figures;
}
