import { join } from "node:path";
import { Flujo } from "flujo";
import { documentsFlow } from "./flow.ts";

/** Where one run of the demo keeps what it must not forget: the same two files for every process. */
export interface DemoFiles {
  readonly database: string;
  readonly log: string;
}

export function filesIn(folder: string): DemoFiles {
  return { database: join(folder, "flujo.db"), log: join(folder, "executions.jsonl") };
}

export function storeOf({ database }: DemoFiles): string {
  return `sqlite:${database}`;
}

/** Starts runs, answers and watches them; executes no step, so that killing the workers stops all work. */
export function openClient(files: DemoFiles): Flujo {
  return new Flujo({ store: storeOf(files), flows: [documentsFlow(files.log)], worker: false });
}

/** Executes the steps of whatever run is waiting in the database, from `open()` on. */
export function openWorker(files: DemoFiles): Flujo {
  return new Flujo({ store: storeOf(files), flows: [documentsFlow(files.log)] });
}
