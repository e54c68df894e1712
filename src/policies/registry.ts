import type { StepConfig, StepNode } from "../definition/node.ts";
import { cache } from "./cache.ts";
import { plugins } from "./plugins.ts";
import { compose, type Execute, type Policy, type PolicyHost } from "./policy.ts";
import { processors } from "./processors.ts";
import { timeout } from "./timeout.ts";
import { validate } from "./validate.ts";
import { validators } from "./validators.ts";

/**
 * The chain around one attempt, outermost first. Its order is the order of this list: what is kept in a cache has passed everything
 * inside of it; validators see what the output schema made of what plugins agreed to, and these what the output processors gave.
 * Invariants, hooks and resources stand around the chain (worker/step-coordinator.ts): they see its end, whatever that is.
 */
export const STEP_POLICIES: readonly Policy[] = [timeout, cache, validators, validate, plugins, processors];

/** Builds the chain of each step once. Source: Flujo, ExecutorCore and its policy registry: no branch on step kind. */
export class PolicyRegistry {
  readonly #host: PolicyHost;
  readonly #policies: readonly Policy[];
  readonly #chains = new WeakMap<StepNode, { step?: Execute; undo?: Execute }>();

  constructor(host: PolicyHost, policies: readonly Policy[] = STEP_POLICIES) {
    this.#host = host;
    this.#policies = policies;
  }

  /** What executes an attempt of this step, or of its compensation. */
  chain(node: StepNode, purpose: "step" | "undo"): Execute {
    let chains = this.#chains.get(node);
    if (chains === undefined) this.#chains.set(node, (chains = {}));
    return (chains[purpose] ??= this.#build(node, purpose));
  }

  #build(node: StepNode, purpose: "step" | "undo"): Execute {
    const { run, config }: { readonly run: StepNode["run"]; readonly config: StepConfig } =
      purpose === "undo" && node.compensate ? node.compensate : node;
    const host = this.#host;
    return compose(this.#policies, ({ input, context }) => run(input, context as never), {
      node,
      config,
      purpose,
      host,
    });
  }
}
