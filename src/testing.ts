// The kit for testing flows, and stores.
// Run flows in virtual time
export { type Inspection, LocalRunner, localRunner, type LocalRunnerOptions } from "./testing/local-runner.ts";
export { VirtualClock, virtualAmbient, type VirtualAmbientOptions } from "./testing/virtual-clock.ts";
export { memoryStore } from "./stores/memory/store.ts";
// Break things, each at its moment
export {
  type Fault,
  type FaultAction,
  type Faults,
  faultsFrom,
  type FaultsOptions,
  injectFaults,
  parseFaults,
} from "./testing/faults.ts";
export { FAULT_POINTS, type FaultPoint } from "./worker/deps.ts";
// Simulate clusters from a seed
export { simulate, type SimulationOptions, type SimulationReport } from "./testing/simulator/simulate.ts";
