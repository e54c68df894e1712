import { Flujo } from "flujo";
import type { FaultPoint } from "../../src/testing.ts";
import { transfer } from "./effects.ts";

/** Works until it dies at a named point for the n-th time. */
export interface DoomedTransfer {
  readonly store: string;
  readonly point: FaultPoint;
  readonly at: number;
}

const { store, point, at } = JSON.parse(process.argv[2] ?? "{}") as DoomedTransfer;
let came = 0;
await using flujo = new Flujo({
  store,
  flows: [transfer],
  worker: { lease: 300, heartbeat: 100, sweep: 50, pollInterval: 100 },
  at: (here) => {
    if (here === point && ++came === at) process.kill(process.pid, "SIGKILL");
  },
});
await flujo.run(transfer, 41, { id: "t" });
