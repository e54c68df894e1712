import type { ItemStore } from "../../ports/items.ts";
import type { SlowDetector } from "./detector.ts";
import { type GovernancePolicy, governor, type GovernorOptions, type PolicyGovernor } from "./governor.ts";
import { loadPolicies } from "./load-policies.ts";
import { denyAll, piiScrub, toolAllowList } from "./policies.ts";
import { Veil } from "./veil.ts";

/** Rules as flujo.toml and the environment give them: the shape of `GovernanceSettings` in the configuration. */
export interface GovernanceRules {
  readonly mode: "allow_all" | "deny_all";
  readonly piiScrub: "off" | "model" | "everywhere";
  readonly piiStrong: boolean;
  readonly piiKey?: string;
  readonly toolAllowlist?: readonly string[];
  readonly policyModule?: string;
}

export interface GovernorDeps extends Pick<GovernorOptions, "onDecision"> {
  /** Imports what stands before the # of `policyModule`. */
  readonly importer: (file: string) => Promise<unknown>;
  /** Where originals are kept, where there is a key: the store itself, not what conceals it. */
  readonly items?: ItemStore;
  /** Policies given in code; asked after those of the configuration. */
  readonly policies?: readonly GovernancePolicy[];
  readonly slow?: readonly SlowDetector[];
}

/**
 * The governor of a process. What people are replaced by comes last: policies decide about what was really said, and whatever
 * they add is scrubbed, too. Throws CONFIG_INVALID for a policy module that is none.
 */
export async function governorFrom(rules: GovernanceRules, deps: GovernorDeps): Promise<PolicyGovernor> {
  const { importer, items, policies = [], onDecision, slow } = deps;
  const { mode, toolAllowlist, policyModule, piiScrub: scrubbing, piiStrong: strong, piiKey: key } = rules;
  const loaded = policyModule === undefined ? [] : await loadPolicies(policyModule, importer);
  const kept = key === undefined ? {} : { key, ...(items && { items }) };
  const scrub = (where: "model" | "everywhere"): GovernancePolicy =>
    piiScrub({ veil: new Veil({ strong, ...kept, ...(slow && { slow }) }), mode: where });
  return governor({
    policies: [
      ...(mode === "deny_all" ? [denyAll] : []),
      ...(toolAllowlist === undefined ? [] : [toolAllowList(toolAllowlist)]),
      ...loaded,
      ...policies,
      ...(scrubbing === "off" ? [] : [scrub(scrubbing)]),
    ],
    ...(onDecision && { onDecision }),
  });
}
