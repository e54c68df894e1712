import type { StepLogger } from "../../src/worker/step-context.ts";

/** An outage would fill the screen: each process says at each beat that its store is away. */
export const SILENT: StepLogger = { log: () => undefined };
