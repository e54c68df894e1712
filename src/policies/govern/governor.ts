import { FlujoError } from "../../domain/errors.ts";
import type { Wire } from "../../domain/wire.ts";
import type { Governor } from "../../ports/agency.ts";
import type { Message } from "../../ports/model.ts";
import type { Veil } from "./veil.ts";

/** What a policy decides about: a call of a model that is about to be made. */
export interface ModelCall {
  readonly agent: string;
  readonly run: string;
  /** As the policies before left them. */
  readonly messages: readonly Message[];
}

export type Decision =
  | { readonly kind: "allow" }
  | { readonly kind: "deny"; readonly reason: string }
  /** Goes on with these messages. `restore` undoes the replacement in what the model answers. */
  | { readonly kind: "replace"; readonly messages: readonly Message[]; readonly restore?: (wire: Wire) => Wire };

/** One rule of the house. What it throws counts as a denial: a rule that cannot be asked must not let anything through. */
export interface GovernancePolicy {
  readonly name: string;
  /** Before a model is called. Absent: it has no opinion. */
  readonly decide?: (about: ModelCall) => Decision | Promise<Decision>;
  /** Whether a tool may be shown to a model, and called. Absent: it has no opinion. */
  readonly allowsTool?: (name: string) => boolean;
  /** What is stored and logged shall go through this veil, too: the runner puts it around its store, loggers and observers. */
  readonly everywhere?: Veil;
}

/** What was decided, for logs and audits. */
export interface GovernanceEvent {
  readonly subject: "model" | "tool";
  /** The agent or the tool. */
  readonly name: string;
  readonly run?: string;
  readonly verdict: "allow" | "deny";
  /** Who denied, and why. */
  readonly policy?: string;
  readonly reason?: string;
}

export interface GovernanceCounts {
  readonly models: { readonly allowed: number; readonly denied: number };
  readonly tools: { readonly allowed: number; readonly denied: number };
}

export interface GovernorOptions {
  /** Asked in this order; the first denial ends it. */
  readonly policies: readonly GovernancePolicy[];
  /** Told of every decision, before it takes effect: where it throws, the decision is a denial. */
  readonly onDecision?: (event: GovernanceEvent) => void;
}

/** A governor that counts, and knows what is to be put around the store. */
export interface PolicyGovernor extends Governor {
  readonly counts: () => GovernanceCounts;
  readonly everywhere: Veil | undefined;
}

/** Asks policies in their order. Source: Flujo, governance engine. */
export const governor = (options: GovernorOptions): PolicyGovernor => new OrderedPolicies(options);

type BeforeModel = Awaited<ReturnType<Governor["beforeModel"]>>;

class OrderedPolicies implements PolicyGovernor {
  readonly #policies: readonly GovernancePolicy[];
  readonly #onDecision: GovernorOptions["onDecision"];
  readonly #models = { allowed: 0, denied: 0 };
  readonly #tools = { allowed: 0, denied: 0 };

  constructor({ policies, onDecision }: GovernorOptions) {
    this.#policies = policies;
    this.#onDecision = onDecision;
  }

  get everywhere(): Veil | undefined {
    return this.#policies.find(({ everywhere }) => everywhere !== undefined)?.everywhere;
  }

  readonly counts = (): GovernanceCounts => ({ models: { ...this.#models }, tools: { ...this.#tools } });

  readonly allowsTool = (name: string): boolean => {
    const denial = this.#toolDenial(name) ?? this.#report({ subject: "tool", name, verdict: "allow" });
    if (denial === undefined) this.#tools.allowed++;
    else this.#tools.denied++;
    return denial === undefined;
  };

  #toolDenial(name: string): Denial | undefined {
    for (const policy of this.#policies) {
      const denial = toolDenialBy(policy, name);
      if (denial === undefined) continue;
      this.#report({ subject: "tool", name, verdict: "deny", policy: denial.policy, reason: denial.reason });
      return denial;
    }
    return undefined;
  }

  /** A callback that throws denies what would have been allowed, and changes nothing about what is denied already. */
  #report(event: GovernanceEvent): Denial | undefined {
    try {
      this.#onDecision?.(event);
      return undefined;
    } catch (cause) {
      return { policy: "onDecision", reason: "the decision could not be reported", cause };
    }
  }

  readonly beforeModel = async (about: ModelCall): Promise<BeforeModel> => {
    let { messages } = about;
    const restores: ((wire: Wire) => Wire)[] = [];
    for (const policy of this.#policies) {
      const decision = await decisionOf(policy, { ...about, messages });
      if (decision.kind === "deny") throw this.#denied(about, { policy: policy.name, ...decision });
      if (decision.kind === "allow") continue;
      ({ messages } = decision);
      if (decision.restore !== undefined) restores.unshift(decision.restore); // the last replacement is undone first
    }
    const unreported = this.#report({ subject: "model", name: about.agent, run: about.run, verdict: "allow" });
    if (unreported !== undefined) throw this.#denied(about, unreported);
    this.#models.allowed++;
    return { messages, restore: (wire) => restores.reduce((restored, restore) => restore(restored), wire) };
  };

  #denied({ agent, run }: ModelCall, { policy, reason, cause }: Denial): FlujoError {
    this.#models.denied++;
    this.#report({ subject: "model", name: agent, run, verdict: "deny", policy, reason });
    return new FlujoError("GOVERNANCE_DENIED", `the policy ${policy} denied the agent ${agent} its model: ${reason}`, {
      details: { policy, reason, agent },
      ...(cause !== undefined && { cause }),
    });
  }
}

interface Denial {
  readonly policy: string;
  readonly reason: string;
  readonly cause?: unknown;
}

function toolDenialBy(policy: GovernancePolicy, name: string): Denial | undefined {
  try {
    // A policy of plain JavaScript may answer anything: only a plain yes is one.
    if (policy.allowsTool === undefined || policy.allowsTool(name) === true) return undefined;
    return { policy: policy.name, reason: `tool_not_allowed:${name}` };
  } catch (cause) {
    return { policy: policy.name, reason: "the policy failed", cause };
  }
}

async function decisionOf(
  policy: GovernancePolicy,
  about: ModelCall,
): Promise<Decision & { readonly cause?: unknown }> {
  try {
    const decision = policy.decide === undefined ? ALLOW : await policy.decide(about);
    return isDecision(decision) ? decision : { kind: "deny", reason: "the policy gave no decision" };
  } catch (cause) {
    return { kind: "deny", reason: "the policy failed", cause };
  }
}

const ALLOW: Decision = { kind: "allow" };
/** What a module of the user's answers was checked by nobody. */
const isDecision = (given: Decision): boolean =>
  given.kind === "allow" || given.kind === "deny" || (given.kind === "replace" && Array.isArray(given.messages));
