import type { Ambient } from "../domain/ambient.ts";
import type { Allowance } from "../domain/quota.ts";
import type { Fact } from "../domain/event.ts";
import type { RunId, WorkerId } from "../domain/ids.ts";
import type { Wire } from "../domain/wire.ts";
import type { LimitsOf } from "../engine/new-run.ts";
import type { Resident } from "../engine/resident.ts";
import type { Payloads } from "../engine/payloads.ts";
import type { Registry } from "../engine/registry.ts";
import type { PolicyRegistry } from "../policies/registry.ts";
import type { Observation } from "../ports/observer.ts";
import type { RunEnd, Store } from "../ports/store.ts";
import type { WorkerOptions } from "./options.ts";
import type { StepHost } from "./step-context.ts";

/** Where a process may die. Each has its test: a kill there loses nothing and repeats no recorded step. */
export const FAULT_POINTS = [
  "after-claim",
  "before-step",
  "after-step",
  "before-commit",
  "after-commit",
  "after-park",
  "before-end",
  "after-end",
] as const;
/** Likewise, where a step pays for its work. */
export const SPENDING_POINTS = ["before-reserve", "after-reserve"] as const;
export type FaultPoint = (typeof FAULT_POINTS)[number] | (typeof SPENDING_POINTS)[number];

export interface WorkerDeps {
  readonly store: Store;
  readonly registry: Registry;
  readonly payloads: Payloads;
  readonly policies: PolicyRegistry;
  readonly host: StepHost;
  readonly ambient: Ambient;
  readonly id: WorkerId;
  readonly options?: WorkerOptions;
  /** What runs may use that start here without a caller of this process: those of schedules, and of other runs. */
  readonly limitsOf?: LimitsOf;
  /** What a detached run may spend of each unit that its caller's budget does not limit. */
  readonly backgroundLimits?: Allowance;
  /** Whether to look for dead workers. Default: where several processes share the store. */
  readonly sweeps?: boolean;
  /** Whether its store can hold schedules that somebody made. Default true. */
  readonly runsSchedules?: boolean;
  readonly observe?: (observation: Observation) => void;
  /** Told at once, without a read, when a run ends here. */
  readonly onRunEnd?: (run: RunId, end: RunEnd, value: Wire) => void;
  /** Told what was recorded, once it is, of a fiber as it is since. Must be quick, and never throw. */
  readonly onFacts?: (of: Resident, facts: readonly Fact[]) => void;
  /** Told when a fiber of a run waits for somebody outside: the run may be paused now. */
  readonly onPark?: (run: RunId) => void;
  /** A named point in a fiber's life, for fault injection; see `flujo/testing`. */
  readonly at?: (point: FaultPoint, where: { readonly run: string; readonly path: string }) => void | Promise<void>;
}
