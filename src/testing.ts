// The kit for testing flows, and stores.
// Run flows in virtual time
export { type Inspection, LocalRunner, localRunner, type LocalRunnerOptions } from "./testing/local-runner.ts";
export { VirtualClock, virtualAmbient, type VirtualAmbientOptions } from "./testing/virtual-clock.ts";
export { memoryStore } from "./stores/memory/store.ts";
// Models without a provider: scripted, recorded, served on this machine
export {
  type Rule,
  rolePlay,
  type ScriptedModel,
  scriptedModel,
  type ScriptedOptions,
  type StrictModel,
} from "./agents/models/scripted/scripted-model.ts";
export type { ScriptedAnswer, ScriptedError, ScriptStep } from "./agents/models/scripted/script.ts";
export { readScript } from "./agents/models/scripted/script-file.ts";
export { recordModel, replayModel } from "./agents/models/cassette.ts";
export { mockServer } from "./agents/models/mock-server/server.ts";
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
export { FAULT_POINTS, type FaultPoint, SPENDING_POINTS } from "./worker/deps.ts";
// Simulate clusters from a seed
export { simulate, type SimulationOptions, type SimulationReport } from "./testing/simulator/simulate.ts";
// Hold a store to its contract: for those who write one
export { storeConformance } from "./testing/conformance/conformance.ts";
export { vectorConformance, type VectorsUnderTest } from "./testing/conformance/vectors.ts";
export type { TestApi } from "./testing/conformance/api.ts";
export type { Aspect, Scratch, UnderTest } from "./testing/conformance/under-test.ts";
export { checkInvariants, type CheckOptions } from "./engine/invariants.ts";
export type * from "./ports/items.ts";
export type * from "./ports/ledger.ts";
export type * from "./ports/queue.ts";
export type * from "./ports/store.ts";
