import { Flujo } from "flujo";
import { SHORT_LEASE } from "./flows.ts";
import { poisoned } from "./poisoned.ts";

/** A worker that dies of a step: `poison.ts '{ store }'`. */
const { store } = JSON.parse(process.argv[2] ?? "{}") as { readonly store: string };
await using flujo = new Flujo({ store, flows: [poisoned], worker: { ...SHORT_LEASE, maxDeliveries: 2 } });
await flujo.open();
console.log("ready");
await new Promise((resolve) => process.stdin.once("data", resolve));
process.stdin.destroy();
