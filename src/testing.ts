// The kit for testing flows, and stores.
export { memoryStore } from "./stores/memory/store.ts";
export { FAULT_POINTS, type FaultPoint } from "./worker/deps.ts";
