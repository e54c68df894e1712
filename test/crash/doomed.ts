import { Flujo } from "flujo";
import type { FaultPoint } from "../../src/testing.ts";
import { type Address, openAt } from "../setup/addresses.ts";
import { begin, type PatternName, PATTERNS, SHORT_LEASE } from "./flows.ts";

/** A process that works until it dies at a named point: `doomed.ts '{ store, ledger, pattern, point, at }'`. */
export interface Doom {
  readonly store: Address;
  readonly ledger: string;
  readonly pattern: PatternName;
  readonly point: FaultPoint;
  /** Dies when it comes to the point for this time. */
  readonly at: number;
}

const { store: address, ledger, pattern, point, at }: Doom = JSON.parse(process.argv[2] ?? "{}") as Doom;
let came = 0;
await using store = await openAt(address);
await using flujo = new Flujo({
  store,
  flows: [PATTERNS[pattern].flow],
  resources: { ledger },
  worker: SHORT_LEASE,
  at: (here) => {
    if (here === point && ++came === at) process.kill(process.pid, "SIGKILL");
  },
});
const ids = await begin(flujo, pattern);
await Promise.all(ids.map((id) => flujo.result(id, { until: "end" })));
