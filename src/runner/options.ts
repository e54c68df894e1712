import type { Ambient } from "../domain/ambient.ts";
import type { Metadata } from "../domain/run.ts";
import type { UsageLimits } from "../domain/usage-limits.ts";
import type { Definition } from "../definition/definition.ts";
import type { GovernanceEvent, GovernancePolicy } from "../policies/govern/governor.ts";
import type { Hooks } from "../policies/hooks.ts";
import type { Observer } from "../ports/observer.ts";
import type { Store } from "../ports/store.ts";
import type { FaultPoint } from "../worker/deps.ts";
import type { StepLogger } from "../worker/step-context.ts";
import type { ModelOptions } from "./agency.ts";
import type { BudgetOptions } from "./budgets.ts";
import type { MemoryOptions } from "./memory.ts";
import type { QueueOptions } from "./queues.ts";
import type { ReferenceOptions } from "./state-providers.ts";
import type { ShadowEvalOptions } from "./shadow.ts";
import type { WorkerOptions } from "../worker/options.ts";

export interface FlujoOptions extends ModelOptions, ReferenceOptions {
  /**
   * A URI (`memory:`, `sqlite:./flujo.db`) or an open store. Default: `FLUJO_STATE_URI`, else `state_uri` in the nearest
   * flujo.toml, else `sqlite:./.flujo/state.db`. A store that was passed in open stays open at `close`.
   */
  readonly store?: string | Store | Promise<Store>;
  /** Flows this process can run. Flows they call come with them. */
  readonly flows?: readonly Definition[];
  /** How this process works on runs; `false` = it only starts, answers and looks, and workers elsewhere do the work. */
  readonly worker?: WorkerOptions | false;
  /**
   * Rules of queues: limits on how many fibers of one are worked on at once, and how often they begin, over all workers of the
   * store, and for each key. Written to the store when it is opened; other queues keep what they have. Store: any whose
   * capabilities say `queueRules`, else QUEUE_RULES_UNSUPPORTED.
   */
  readonly queues?: Readonly<Record<string, QueueOptions>>;
  /**
   * Policies that are asked before every model call, after those of flujo.toml and `FLUJO_GOVERNANCE_*`: to allow, deny or change
   * it. Source: Flujo, governance engine.
   */
  readonly governance?: readonly GovernancePolicy[];
  /** Told of everything that policies allow and deny, before it takes effect; where it throws, that is denied. For an audit log. */
  readonly onGovernanceDecision?: (event: GovernanceEvent) => void;
  /** What each run may use, unless its start says less. Source: Flujo, UsageLimits. */
  readonly limits?: UsageLimits;
  /**
   * What a background task may use of each unit that its share of its parent's limits leaves open. Default: what `max_cost_per_task`
   * and `max_tokens_per_task` in [background_tasks] of flujo.toml say, else no limit: a cost limit needs prices, so nobody gets one
   * unasked. Source: Flujo, [background_tasks].
   */
  readonly backgroundLimits?: Omit<UsageLimits, "wallTime">;
  /** What runs may use together, over all workers of the store: of a flow, a key, a day. */
  readonly budgets?: BudgetOptions;
  /** Functions around runs and steps of this process; see Hooks. */
  readonly hooks?: readonly Hooks[];
  /** What a hook throws fails its run with HOOK_FAILED. Default: `FLUJO_STRICT_HOOKS`, else false: it is logged. */
  readonly strictHooks?: boolean;
  /** Texts that are found again by what they mean: what steps reach with `memoryOf(ctx)`. Source: Flujo, MemoryManager. */
  readonly memory?: MemoryOptions;
  /** A judge looks at a sample of what flows do, beside them. Default: what FLUJO_SHADOW_EVAL_* and [shadow_eval] say, else none. */
  readonly shadowEval?: ShadowEvalOptions;
  /** Shared things that steps reach as `ctx.resources`: clients, pools, settings; with `scoped`, such as are opened and closed. */
  readonly resources?: Readonly<Record<string, unknown>>;
  readonly observers?: readonly Observer[];
  /** Where `ctx.log` and the engine's own warnings go. Default: nowhere for debug and info, stderr for warnings and errors. */
  readonly logger?: StepLogger;
  /** @internal Time, chance and ids; tests bring their own. */
  readonly ambient?: Ambient;
  /** @internal Fault injection, see `flujo/testing`. */
  readonly at?: (point: FaultPoint, where: { readonly run: string; readonly path: string }) => void | Promise<void>;
}

export interface StartOptions<Context = unknown> {
  /** Your own id makes the start idempotent: the same id, flow and input answer the run that exists. Default: a new UUID v7. */
  readonly id?: string;
  /** Searchable facts: `flujo.list({ metadata: { customer: "a" } })`. */
  readonly metadata?: Metadata;
  /** First value of the run's context, checked against its schema. */
  readonly context?: Context;
  /** Default "default". */
  readonly queue?: string;
  /** Larger is sooner. Default 0. */
  readonly priority?: number;
  /**
   * Whose the run is: a tenant, an account, a model; text of 1 to 256 characters. Queues with rules give each key its turn and
   * its own limits. Branches, map items and child runs have the key of their run; a retry or a fork keeps it. Default: none.
   */
  readonly key?: string;
  /** Not before this time. */
  readonly startAt?: Date | number;
  /** What the run may use. Of this and the runner's own limits the smaller holds, unit by unit. */
  readonly limits?: UsageLimits;
  /** Stops waiting for the result; the run goes on. */
  readonly signal?: AbortSignal;
}

export interface RunOptions<Context = unknown> extends StartOptions<Context> {
  /** `false`: a run in this process's memory only: no history, gone when it ends. For work that is cheap to repeat. Default true. */
  readonly persist?: boolean;
}
