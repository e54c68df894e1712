// The flow under test in Mastra terms: ten chained steps over one number.
process.env.MASTRA_TELEMETRY_DISABLED = "1";
const { Mastra } = await import("@mastra/core");
const { createStep, createWorkflow } = await import("@mastra/core/workflows");
const { z } = await import("zod");
const { STEPS_PER_RUN, assertOutput } = await import("./closed-loop.mjs");

/** Registers the workflow on a Mastra with the given storage; the result performs one run from 0 to 10. */
export function tenStepWorkflow(storage) {
  const x = z.object({ x: z.number() });
  let workflow = createWorkflow({ id: "bench", inputSchema: x, outputSchema: x });
  for (let i = 0; i < STEPS_PER_RUN; i++) {
    const execute = async ({ inputData }) => ({ x: inputData.x + 1 });
    workflow = workflow.then(createStep({ id: `s${i}`, inputSchema: x, outputSchema: x, execute }));
  }
  workflow.commit();
  const mastra = new Mastra({ logger: false, storage, workflows: { bench: workflow } });
  const registered = mastra.getWorkflow("bench");
  return async () => {
    const run = await registered.createRun();
    const outcome = await run.start({ inputData: { x: 0 } });
    if (outcome.status !== "success") throw new Error(`Mastra run ended ${outcome.status}`, { cause: outcome.error });
    assertOutput(outcome.result.x, STEPS_PER_RUN);
  };
}
