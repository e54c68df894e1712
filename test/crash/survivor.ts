import { Flujo } from "flujo";
import { PATTERNS, SHORT_LEASE } from "./flows.ts";

/** A worker that works until it is killed: `survivor.ts '{ store, ledger }'`. */
const { store, ledger } = JSON.parse(process.argv[2] ?? "{}") as { readonly store: string; readonly ledger: string };
const flujo = new Flujo({
  store,
  flows: Object.values(PATTERNS).map((pattern) => pattern.flow),
  resources: { ledger },
  worker: { ...SHORT_LEASE, concurrency: 10 },
});
await flujo.open();
console.log("ready");
process.stdin.resume();
