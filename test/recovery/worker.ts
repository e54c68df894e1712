import { createInterface } from "node:readline";
import { Flujo } from "flujo";
import type { WorkerOptions } from "../../src/worker/options.ts";
import { type Address, openAt } from "../setup/addresses.ts";
import { FLOWS, Gate } from "./flows.ts";

/** A worker process: says "ready", opens the gate when it is told "let go", stops in good order at SIGTERM. */
export interface RecoveryTask {
  readonly name: string;
  readonly address: Address;
  readonly ledger: string;
  readonly worker: WorkerOptions;
}

const { name, address, ledger, worker } = JSON.parse(process.argv[2] ?? "{}") as RecoveryTask;
const gate = new Gate();
const asked = new Promise<void>((resolve) => process.once("SIGTERM", () => resolve()));
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  if (line === "let go") gate.open();
});
lines.on("close", () => process.exit(1)); // whoever started it is gone

await using store = await openAt(address);
const flujo = new Flujo({
  store,
  flows: FLOWS,
  resources: { ledger, worker: name, gate },
  worker: { concurrency: 2_000, ...worker, id: name },
});
await flujo.open();
console.log("ready");
await asked;
await flujo.close();
console.log("stopped");
process.exit(0);
