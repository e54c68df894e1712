// BullMQ: a run is a chain of jobs, job i puts job i + 1 into the queue. It keeps no results; completed jobs are removed.
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import { STEPS_PER_RUN, arguments_, assertOutput, closedLoop, report, versionOf } from "./closed-loop.mjs";
import { scratchPrefix } from "./scratch-server.mjs";

const QUEUE = "chain";
const OPTIONS = { removeOnComplete: true };

const scratch = await scratchPrefix(arguments_.url);
try {
  const connect = () => new Redis(scratch.url, { maxRetriesPerRequest: null });
  const connections = [connect(), connect()];
  const queue = new Queue(QUEUE, { connection: connections[0], prefix: scratch.prefix });
  const waiting = new Map();
  const worker = new Worker(
    QUEUE,
    async ({ data: { run, step, x } }) => {
      const value = x + 1;
      if (step + 1 < STEPS_PER_RUN) await queue.add("step", { run, step: step + 1, x: value }, OPTIONS);
      return value;
    },
    { connection: connections[1], prefix: scratch.prefix, concurrency: arguments_.concurrency },
  );
  worker.on("error", (error) => void process.stderr.write(`${error}\n`));
  worker.on("completed", ({ data: { run, step } }, value) => {
    if (step + 1 < STEPS_PER_RUN) return;
    waiting.get(run)?.(value);
    waiting.delete(run);
  });
  await worker.waitUntilReady();
  let next = 0;
  const figures = await closedLoop(async () => {
    const run = next++;
    const ended = new Promise((resolve) => waiting.set(run, resolve));
    await queue.add("step", { run, step: 0, x: 0 }, OPTIONS);
    assertOutput(await ended, STEPS_PER_RUN);
  });
  await worker.close();
  await queue.close();
  const [, appendFsync] = await connections[0].call("CONFIG", "GET", "appendfsync");
  for (const connection of connections) connection.disconnect();
  report(
    {
      name: "BullMQ chain (Redis)",
      version: versionOf("bullmq"),
      settings: { store: "redis", client: `ioredis ${versionOf("ioredis")}`, appendfsync: appendFsync },
    },
    figures,
  );
} finally {
  await scratch.dispose();
}
