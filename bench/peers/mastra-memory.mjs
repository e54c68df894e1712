import { InMemoryStore } from "@mastra/core/storage";
import { closedLoop, report, versionOf } from "./closed-loop.mjs";
import { tenStepWorkflow } from "./mastra-workflow.mjs";

const figures = await closedLoop(tenStepWorkflow(new InMemoryStore()));
report(
  {
    name: "Mastra (in-memory)",
    version: versionOf("@mastra/core"),
    settings: { store: "InMemoryStore", fsync: "none" },
  },
  figures,
);
