// The flow under test in LangGraph.js terms: ten nodes in a line over one number, a checkpoint after every node.
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { STEPS_PER_RUN, assertOutput } from "./closed-loop.mjs";

/** Compiles the graph with the given saver; the result runs one thread from 0 to 10 with durability "sync". */
export function tenNodeGraph(checkpointer) {
  const State = Annotation.Root({ x: Annotation() });
  let graph = new StateGraph(State);
  for (let i = 0; i < STEPS_PER_RUN; i++) graph = graph.addNode(`s${i}`, async ({ x }) => ({ x: x + 1 }));
  graph = graph.addEdge(START, "s0");
  for (let i = 1; i < STEPS_PER_RUN; i++) graph = graph.addEdge(`s${i - 1}`, `s${i}`);
  const app = graph.addEdge(`s${STEPS_PER_RUN - 1}`, END).compile({ checkpointer });
  let thread = 0;
  return async () => {
    const config = { configurable: { thread_id: `t${thread++}` }, durability: "sync" };
    assertOutput((await app.invoke({ x: 0 }, config)).x, STEPS_PER_RUN);
  };
}
