// Mastra sets synchronous=NORMAL on one connection of its pool (no fsync per commit there) and leaves the driver's FULL on
// the others. With --synchronous FULL the bench hands it a client that ignores that one pragma, so that every commit is
// durable; with NORMAL it runs exactly as shipped.
import { join } from "node:path";
import { createClient } from "@libsql/client";
import { LibSQLStore } from "@mastra/libsql";
import { arguments_, closedLoop, report, scratchDirectory, versionOf } from "./closed-loop.mjs";
import { tenStepWorkflow } from "./mastra-workflow.mjs";

/** A client that keeps the driver's synchronous=FULL whatever it is asked. */
function alwaysFull(client) {
  const execute = client.execute.bind(client);
  client.execute = (statement, values) => {
    const sql = typeof statement === "string" ? statement : statement.sql;
    return /pragma\s+synchronous\s*=/i.test(sql) ? execute("SELECT 1") : execute(statement, values);
  };
  return client;
}

const scratch = scratchDirectory();
try {
  const url = `file:${join(scratch.path, "mastra.db")}`;
  const full = arguments_.synchronous === "FULL";
  const client = full ? alwaysFull(createClient({ url, timeout: 5000 })) : undefined;
  const storage = new LibSQLStore(client ? { id: "bench", client } : { id: "bench", url });
  await storage.init();
  const figures = await closedLoop(tenStepWorkflow(storage));
  const pragma = async (name) => Object.values((await (client ?? storage.client).execute(`PRAGMA ${name}`)).rows[0])[0];
  report(
    {
      name: full ? "Mastra (libSQL)" : "Mastra (libSQL, as shipped)",
      version: versionOf("@mastra/core"),
      settings: {
        store: `@mastra/libsql ${versionOf("@mastra/libsql")}`,
        journalMode: await pragma("journal_mode"),
        synchronous: await pragma("synchronous"),
        fsync: full ? "every commit" : "checkpoints, and commits of every connection but the first",
      },
    },
    figures,
  );
  await storage.close();
} finally {
  scratch.dispose();
}
