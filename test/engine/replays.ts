import { Flujo, FlujoError } from "flujo";
import type { Definition } from "../../src/definition/definition.ts";
import type { RunView } from "../../src/runner/result.ts";

/** More than any test has, but for those that are about numbers: they are not looked at whole. */
const MAX_RUNS = 300;

/** A Flujo that tells which of its flows a run is of. */
export class KnownFlujo extends Flujo {
  flowOf({ flow, version, fingerprint }: RunView): Definition | undefined {
    try {
      const found = this.find({ name: flow, version });
      return found.fingerprint === fingerprint ? found : undefined;
    } catch {
      return undefined; // not registered here
    }
  }
}

/** Runs what has ended again from its history, with the flows of those who worked on it: it must decide what it decided then. */
export async function replayedOtherwise(looking: Flujo, workers: readonly KnownFlujo[]): Promise<readonly string[]> {
  const { items } = await looking.list({ status: ["completed", "failed", "cancelled"], limit: MAX_RUNS });
  const found: string[] = [];
  for (const run of items) {
    const flow = workers.map((one) => one.flowOf(run)).find((one) => one !== undefined);
    if (flow === undefined) continue;
    found.push(...(await otherwise(looking, run, flow)).map((one) => `${run.id}: ${one}`));
  }
  return found;
}

async function otherwise(looking: Flujo, run: RunView, flow: Definition): Promise<readonly string[]> {
  try {
    const { differences, status } = await looking.replayFromTrace(run.id, flow);
    return status === run.status ? differences : [...differences, `was ${run.status} and is ${status}`];
  } catch (error) {
    if (error instanceof FlujoError && error.code === "REPLAY_MISSING") return [error.message];
    throw error;
  }
}
