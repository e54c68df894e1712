// better-sqlite3 commits with synchronous=NORMAL in WAL mode unless told otherwise, so FULL is set here and read back.
import { join } from "node:path";
import { SqliteSaver } from "@langchain/langgraph-checkpoint-sqlite";
import Database from "better-sqlite3";
import { arguments_, closedLoop, report, scratchDirectory, versionOf } from "./closed-loop.mjs";
import { tenNodeGraph } from "./langgraph-graph.mjs";

const scratch = scratchDirectory();
try {
  const database = new Database(join(scratch.path, "langgraph.db"));
  const saver = new SqliteSaver(database);
  saver.setup();
  database.pragma(`synchronous=${arguments_.synchronous}`);
  const figures = await closedLoop(tenNodeGraph(saver));
  report(
    {
      name: "LangGraph.js (SqliteSaver)",
      version: versionOf("@langchain/langgraph"),
      settings: {
        store: `SqliteSaver ${versionOf("@langchain/langgraph-checkpoint-sqlite")} on better-sqlite3 ${versionOf("better-sqlite3")}`,
        journalMode: database.pragma("journal_mode", { simple: true }),
        synchronous: database.pragma("synchronous", { simple: true }),
        durability: "sync",
        fsync: arguments_.synchronous === "FULL" ? "every commit" : "checkpoints only",
      },
    },
    figures,
  );
  database.close();
} finally {
  scratch.dispose();
}
