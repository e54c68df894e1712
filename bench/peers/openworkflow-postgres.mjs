// OpenWorkflow on Postgres, a backlog of runs and one worker.
import { BackendPostgres } from "openworkflow/postgres";
import { arguments_, report, versionOf } from "./closed-loop.mjs";
import { measureBacklog } from "./openworkflow-backlog.mjs";
import { scratchDatabase } from "./scratch-server.mjs";

// As many as its pool has connections (postgres.js' default): more would only wait.
const ENQUEUERS = 10;

const scratch = await scratchDatabase(arguments_.url);
try {
  const backend = await BackendPostgres.connect(scratch.url);
  const figures = await measureBacklog(backend, { enqueuers: ENQUEUERS });
  await backend.stop();
  report(
    {
      name: "OpenWorkflow (Postgres)",
      version: versionOf("openworkflow"),
      settings: { store: "postgres", pool: "10, its default", fsync: "every commit", load: "backlog, one worker" },
    },
    figures,
  );
} finally {
  await scratch.dispose();
}
