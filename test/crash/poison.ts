import { Flujo } from "flujo";
import { SHORT_LEASE } from "./flows.ts";
import { type Address, openAt } from "../setup/addresses.ts";
import { poisoned } from "./poisoned.ts";

/** A worker that dies of a step: `poison.ts '{ store }'`. */
const { store: address } = JSON.parse(process.argv[2] ?? "{}") as { readonly store: Address };
await using store = await openAt(address);
await using flujo = new Flujo({ store, flows: [poisoned], worker: { ...SHORT_LEASE, maxDeliveries: 2 } });
await flujo.open();
console.log("ready");
await new Promise((resolve) => process.stdin.once("data", resolve));
process.stdin.destroy();
