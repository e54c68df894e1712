import { createInterface } from "node:readline";
import { Flujo } from "flujo";
import type { Store } from "../../src/ports/store.ts";
import type { WorkerOptions } from "../../src/worker/options.ts";
import { wrapped } from "../review/wrapped.ts";
import { type Address, openAt } from "../setup/addresses.ts";
import { call } from "./flow.ts";
import { note } from "./ledger.ts";

/** A worker process: says "ready", works from "go" on, until its input ends. */
export interface WorkerTask {
  readonly address: Address;
  readonly ledger: string;
  readonly worker: WorkerOptions;
}

const { address, ledger, worker }: WorkerTask = JSON.parse(process.argv[2] ?? "{}") as WorkerTask;

/** The same store, with a note of each run that it gives away, by its own clock. */
const witnessed = (store: Store): Store =>
  wrapped(store, {
    claim: (claim) => async (request) => {
      const rows = await claim(request);
      for (const { run, lane = "", claimedAt } of rows)
        note(ledger, { what: "claim", pid: process.pid, run, key: lane, at: claimedAt });
      return rows;
    },
  });

await using store = await openAt(address);
await using flujo = new Flujo({ store: witnessed(store), flows: [call], resources: { ledger }, worker });
console.log("ready");
for await (const line of createInterface({ input: process.stdin })) if (line === "go") await flujo.open();
