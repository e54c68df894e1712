import { Flujo } from "flujo";
import type { WorkerOptions } from "../../src/worker/options.ts";
import { type Address, openAt } from "../setup/addresses.ts";
import { patternsOn } from "./flows.ts";
import { SILENT } from "./silent.ts";
import { witnessed } from "./witness.ts";

/** A worker process that works until SIGTERM, then hands back what it holds: `worker.ts '{ name, address, … }'`. */
export interface ChaosTask {
  readonly name: string;
  readonly address: Address;
  readonly ledger: string;
  readonly transactions: boolean;
  readonly worker: WorkerOptions;
}

const RETRY_MS = 100;

/** Tries until the store is there: whoever supervises a service would start it again and again. */
async function untilItWorks<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

const { name, address, ledger, transactions, worker } = JSON.parse(process.argv[2] ?? "{}") as ChaosTask;
// Whoever started it is gone: nobody would ever end it.
process.stdin.on("end", () => process.exit(1)).resume();
const asked = new Promise<void>((resolve) => process.once("SIGTERM", () => resolve()));

const store = await untilItWorks(() => openAt(address));
const flujo = new Flujo({
  store: witnessed(store, ledger, name),
  flows: Object.values(patternsOn(transactions)).map((pattern) => pattern.flow),
  resources: { ledger, worker: name },
  worker: { ...worker, id: name },
  logger: SILENT,
});
await untilItWorks(() => flujo.open());
console.log("ready");
await asked;
await flujo.close();
await store.close();
console.log("stopped");
process.exit(0);
