import { MemorySaver } from "@langchain/langgraph";
import { closedLoop, report, versionOf } from "./closed-loop.mjs";
import { tenNodeGraph } from "./langgraph-graph.mjs";

const figures = await closedLoop(tenNodeGraph(new MemorySaver()));
report(
  {
    name: "LangGraph.js (MemorySaver)",
    version: versionOf("@langchain/langgraph"),
    settings: { store: "memory", durability: "sync", fsync: "none" },
  },
  figures,
);
