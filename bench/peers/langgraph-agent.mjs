// The agent under test in LangGraph.js terms: a node for the model and a node for its tool, in turns, over a list of messages.
// `whole` is the usual list, of which each checkpoint has a copy; `delta` keeps what is new. It is called experimental.
import { AIMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { END, MessagesAnnotation, MessagesDeltaValue, START, StateGraph, StateSchema } from "@langchain/langgraph";
import { PostgresSaver } from "@langchain/langgraph-checkpoint-postgres";
import pg from "pg";
import { arguments_, versionOf } from "./closed-loop.mjs";

const { turns, messages } = arguments_;

/** Opens the saver at `url`, its schema in place. */
export async function openSaver(url) {
  const pool = new pg.Pool({ connectionString: url });
  // Its end does not wait for goodbyes, and the database is dropped then: whoever still hears of that has nothing to lose.
  pool.on("connect", (client) => client.on("error", () => {}));
  const saver = new PostgresSaver(pool);
  await saver.setup();
  return saver;
}

/** `run` answers how long (ms) a turn took, without what the model and the tool took themselves. */
export function openAgent(checkpointer, fetchText) {
  let turn = 0;
  let outsideMs = 0;
  let thread = 0;
  const timed = (work) => {
    const startedAt = performance.now();
    const result = work();
    outsideMs += performance.now() - startedAt;
    return result;
  };
  const answer = () => {
    turn += 1;
    if (turn > turns) return new AIMessage("done");
    const call = { id: `call-${turn}`, name: "fetch", args: { page: turn } };
    return new AIMessage({ content: "", tool_calls: [call] });
  };
  const State = messages === "whole" ? MessagesAnnotation : new StateSchema({ messages: MessagesDeltaValue });
  const app = new StateGraph(State)
    .addNode("agent", async () => ({ messages: [timed(answer)] }))
    .addNode("tool", async (state) => {
      const [call] = state.messages.at(-1).tool_calls;
      return { messages: [new ToolMessage({ content: timed(fetchText), tool_call_id: call.id, name: call.name })] };
    })
    .addEdge(START, "agent")
    .addConditionalEdges("agent", (state) => (state.messages.at(-1).tool_calls?.length > 0 ? "tool" : END), [
      "tool",
      END,
    ])
    .addEdge("tool", "agent")
    .compile({ checkpointer });
  return async () => {
    turn = 0;
    outsideMs = 0;
    const config = { configurable: { thread_id: `t${thread++}` }, durability: "sync", recursionLimit: 2 * turns + 2 };
    const startedAt = performance.now();
    const state = await app.invoke({ messages: [new HumanMessage("Call the tool.")] }, config);
    const ms = performance.now() - startedAt;
    if (state.messages.length !== 2 * turns + 2 || turn !== turns + 1) throw new Error("the agent ended too early");
    return (ms - outsideMs) / turns;
  };
}

export const identity = {
  name: "LangGraph.js (PostgresSaver)",
  version: versionOf("@langchain/langgraph"),
  settings: {
    store: `PostgresSaver ${versionOf("@langchain/langgraph-checkpoint-postgres")}`,
    durability: "sync",
    messages: messages === "whole" ? "MessagesAnnotation" : "MessagesDeltaValue",
    fsync: "every commit",
  },
};
