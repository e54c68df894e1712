// OpenWorkflow on SQLite, a backlog of runs and one worker. Needs node:sqlite, hence Node 22 or newer.
import { join } from "node:path";
import { BackendSqlite } from "openworkflow/sqlite";
import { arguments_, report, scratchDirectory, versionOf } from "./closed-loop.mjs";
import { measureBacklog } from "./openworkflow-backlog.mjs";

const scratch = scratchDirectory();
try {
  const backend = BackendSqlite.connect(join(scratch.path, "openworkflow.db"));
  backend.db.exec(`PRAGMA synchronous=${arguments_.synchronous}`);
  const pragma = (name) => Object.values(backend.db.prepare(`PRAGMA ${name}`).get())[0];
  const figures = await measureBacklog(backend, { enqueuers: 1 });
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
