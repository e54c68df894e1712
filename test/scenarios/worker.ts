import { createInterface } from "node:readline";
import { Flujo } from "flujo";
import type { WorkerOptions } from "../../src/worker/options.ts";
import { type Address, openAt } from "../setup/addresses.ts";
import { five, four, logged, signed } from "./flows.ts";
import { asking, channel, counter, group, locked, patient } from "./groups.ts";

/** A worker process: says "ready", works until it is told to stop or is killed. */
export interface WorkerTask {
  readonly store: Address;
  readonly ledger: string;
  readonly worker?: WorkerOptions;
}

const { store: address, ledger, worker }: WorkerTask = JSON.parse(process.argv[2] ?? "{}") as WorkerTask;
await using store = await openAt(address);
const flujo = new Flujo({
  store,
  flows: [five, four, logged, signed, group, channel, counter, locked, patient, asking],
  resources: { ledger },
  ...(worker && { worker }),
});
await flujo.open();
console.log("ready");
for await (const line of createInterface({ input: process.stdin })) if (line === "stop") break;
const closing = flujo.close();
await new Promise((resolve) => setImmediate(resolve));
console.log("closing");
await closing;
console.log("stopped");
process.stdin.destroy();
