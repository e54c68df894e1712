import { arguments_, report } from "./closed-loop.mjs";
import { idleLatencies } from "./idle-latencies.mjs";
import { identity, openAgent, openSaver } from "./langgraph-agent.mjs";
import { scratchDatabase } from "./scratch-server.mjs";

const scratch = await scratchDatabase(arguments_.url);
try {
  const saver = await openSaver(scratch.url);
  const run = openAgent(saver, () => "page");
  const figures = await idleLatencies(run);
  await saver.end();
  report(identity, { ...figures, turns: arguments_.turns });
} finally {
  await scratch.dispose();
}
