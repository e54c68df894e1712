// flujo under the load the peers get: runs of ten no-op steps.
import { openChain, settingsOf } from "../flujo.ts";
import { STEPS_PER_RUN, arguments_, closedLoop, scratchDirectory } from "../peers/closed-loop.mjs";
import { reportFlujo } from "./report.ts";

const scratch = scratchDirectory();
try {
  const { store, concurrency } = arguments_;
  await using chain = openChain({ store, directory: scratch.path, concurrency }, STEPS_PER_RUN);
  const figures = await closedLoop(() => chain.run());
  reportFlujo(settingsOf({ store }), figures);
} finally {
  scratch.dispose();
}
