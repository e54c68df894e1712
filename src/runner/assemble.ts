import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { resolveEmbedder, resolveModel } from "../agents/models/resolve.ts";
import type { ProcessConfig } from "../config/process-config.ts";
import type { Allowance } from "../domain/quota.ts";
import { allowanceOf } from "../domain/usage-limits.ts";
import type { Registry } from "../engine/registry.ts";
import { systemAmbient, workerName } from "../engine/system.ts";
import type { Fanout } from "../observe/fanout.ts";
import { stderrLogger } from "../observe/stderr.ts";
import { concealingLogger, concealingObserver } from "../policies/govern/concealing-log.ts";
import { concealingStore } from "../policies/govern/concealing-store.ts";
import type { PolicyGovernor } from "../policies/govern/governor.ts";
import { governorFrom } from "../policies/govern/governor-from.ts";
import { HookChain, type HooksDeps } from "../policies/hooks.ts";
import type { Resources } from "../policies/resources.ts";
import type { Store } from "../ports/store.ts";
import type { StepHost, StepLogger } from "../worker/step-context.ts";
import type { AnswerDefaults } from "../ports/agency.ts";
import { agencyHost, type ModelOptions } from "./agency.ts";
import { sharedBudgets } from "./budgets.ts";
import { Engine } from "./engine.ts";
import { memoryIndex } from "./memory.ts";
import { limitsOf } from "./limits.ts";
import { moneyOf } from "./money.ts";
import type { FlujoOptions } from "./options.ts";
import { referenceHost } from "./state-providers.ts";
import { shadowOf } from "./shadow.ts";
import type { Chunks } from "./stream.ts";

export interface Parts {
  readonly store: Store;
  readonly config: ProcessConfig;
  readonly registry: Registry;
  readonly fanout: Fanout | undefined;
  readonly chunks: Chunks;
  readonly ephemeral: boolean;
  readonly resources: Resources;
}

/** An engine from the options of a runner and what its process is told: the one place where they become what works on a store. */
export async function assemble(options: FlujoOptions, parts: Parts): Promise<Engine> {
  const { registry, chunks, ephemeral, config, resources } = parts;
  const { ambient = systemAmbient, worker, at, queues, limits } = options;
  const governor = await governorOf(options, parts);
  const { store, logger, observe } = concealed(options, parts, governor);
  const { env } = config;
  const agency = agencyHost({
    ...options,
    ...moneyOf(options, config.cost),
    ...fingerprintOf(options, config),
    answers: answersOf(config),
    governor,
    shared: sharedBudgets(options.budgets, { ledger: store, ambient }),
    resolve: (name) => resolveModel(name, { env }),
    resolveEmbedder: (name) => resolveEmbedder(name, { env }),
  });
  const references = referenceHost(options, store);
  const { everywhere: veil } = governor;
  const { clock } = ambient;
  const index = ephemeral ? undefined : memoryIndex(options, { find: agency.embedder, logger, clock, veil });
  const host: StepHost = {
    ambient,
    resources,
    logger,
    emit: (chunk) => chunks.emit(chunk),
    agency,
    ...(references && { references }),
    ...hooksOf(options, { strict: config.strictHooks, clock: ambient.clock, logger }),
  };
  const idle = worker === false && store.capabilities.shared;
  return new Engine({
    store,
    registry,
    ambient,
    host,
    observe,
    worker: idle ? false : worker === false ? {} : { id: workerName(ambient.newId()), ...worker },
    shadow: idle || ephemeral ? undefined : shadowOf(options.shadowEval, config.shadowEval, { store, host }),
    ...(at && { at }),
    ...(queues && { queues }),
    limitsOf: limitsOf(limits, config.budgets),
    backgroundLimits: backgroundLimitsOf(options, config),
    ephemeral,
    ...(index && { index }),
  });
}

/** Nothing where nobody listens: then no attempt waits for anybody. */
function hooksOf(
  { hooks = [], strictHooks }: FlujoOptions,
  { strict, clock, logger }: Pick<HooksDeps, "strict" | "clock"> & { readonly logger: StepLogger },
): { readonly hooks?: HookChain } {
  if (hooks.length === 0) return {};
  const error: HooksDeps["error"] = (message, fields) => logger.log("error", message, fields);
  return { hooks: new HookChain(hooks, { strict: strictHooks ?? strict, clock, error }) };
}

function fingerprintOf({ fingerprint }: FlujoOptions, config: ProcessConfig): Pick<ModelOptions, "fingerprint"> {
  const said = fingerprint ?? config.fingerprint;
  return said === undefined ? {} : { fingerprint: said };
}

function answersOf({ aros }: ProcessConfig): AnswerDefaults {
  const { coercionTolerantLevel: level, maxUnescapeDepth, structuredOutputDefault: structured } = aros;
  return {
    ...(level !== undefined && { level }),
    ...(maxUnescapeDepth !== undefined && { maxUnescapeDepth }),
    ...(structured !== undefined && { sendsSchema: structured !== "off" }),
  };
}

function backgroundLimitsOf({ backgroundLimits }: FlujoOptions, { background }: ProcessConfig): Allowance | undefined {
  const { maxCostPerTask: costUsd, maxTokensPerTask: totalTokens } = background;
  const told = { ...(costUsd !== undefined && { costUsd }), ...(totalTokens !== undefined && { totalTokens }) };
  return allowanceOf(backgroundLimits ?? told, "backgroundLimits");
}

/** Rules of the house: of the configuration, then of the code. */
function governorOf(
  { governance = [], onGovernanceDecision: onDecision }: FlujoOptions,
  { config, store }: Parts,
): Promise<PolicyGovernor> {
  return governorFrom(config.governance, {
    policies: governance,
    ...(onDecision && { onDecision }),
    items: store,
    importer: (file) => import(pathToFileURL(resolve(file)).href),
  });
}

/** Where originals must stay in this process: what leaves it, to the store, to logs, to observers, is concealed. */
function concealed(
  { logger = stderrLogger }: FlujoOptions,
  { store, fanout, ephemeral }: Parts,
  { everywhere: veil }: PolicyGovernor,
): Pick<ConstructorParameters<typeof Engine>[0], "store" | "observe"> & { readonly logger: typeof logger } {
  const observe: ConstructorParameters<typeof Engine>[0]["observe"] =
    fanout && ((observation) => fanout.observe(observation));
  if (veil === undefined) return { store, logger, observe };
  const observer = observe && concealingObserver({ observe }, veil);
  return {
    store: ephemeral ? store : concealingStore(store, veil), // nothing of a run that is not persisted leaves the process
    logger: concealingLogger(logger, veil),
    observe: observer && ((observation) => void observer.observe(observation)),
  };
}
