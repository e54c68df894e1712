import { arguments_, report } from "./closed-loop.mjs";
import { identity, openAgent, openSaver } from "./langgraph-agent.mjs";
import { randomText } from "./random-text.mjs";
import { scratchDatabase } from "./scratch-server.mjs";
import { postgresBytes } from "./stored-bytes.mjs";

const { turns, characters } = arguments_;
const scratch = await scratchDatabase(arguments_.url);
try {
  const saver = await openSaver(scratch.url);
  const startedAt = performance.now();
  await openAgent(saver, () => randomText(characters))();
  const seconds = (performance.now() - startedAt) / 1000;
  await saver.end();
  const storedBytes = await postgresBytes(scratch.url);
  report(identity, { turns, storedBytes, timesContent: storedBytes / (turns * characters), seconds });
} finally {
  await scratch.dispose();
}
