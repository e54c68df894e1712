// DBOS on Postgres: a workflow of registered steps, started and awaited in the process that runs it.
import { DBOS } from "@dbos-inc/dbos-sdk";
import { STEPS_PER_RUN, arguments_, assertOutput, closedLoop, report, versionOf } from "./closed-loop.mjs";
import { scratchDatabase } from "./scratch-server.mjs";

// Its default is 10. 20 was best of 10, 20, 50 at 16 and at 100 in flight.
const POOL_SIZE = 20;

const scratch = await scratchDatabase(arguments_.url);
try {
  DBOS.setConfig({
    name: "bench",
    systemDatabaseUrl: scratch.url,
    systemDatabasePoolSize: POOL_SIZE,
    logLevel: "error",
  });
  const addOne = DBOS.registerStep(async (x) => x + 1, { name: "add-one" });
  const chain = DBOS.registerWorkflow(
    async (input) => {
      let x = input;
      for (let i = 0; i < STEPS_PER_RUN; i++) x = await addOne(x);
      return x;
    },
    { name: "chain" },
  );
  await DBOS.launch();
  const figures = await closedLoop(async () => {
    const handle = await DBOS.startWorkflow(chain)(0);
    assertOutput(await handle.getResult(), STEPS_PER_RUN);
  });
  await DBOS.shutdown();
  report(
    {
      name: "DBOS (Postgres)",
      version: versionOf("@dbos-inc/dbos-sdk"),
      settings: { store: "postgres", pool: POOL_SIZE, fsync: "every commit", load: "startWorkflow, getResult" },
    },
    figures,
  );
} finally {
  await scratch.dispose();
}
