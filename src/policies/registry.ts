import type { StepConfig, StepNode } from "../definition/node.ts";
import { compose, type Execute, type Policy } from "./policy.ts";
import { timeout } from "./timeout.ts";
import { validate } from "./validate.ts";

/** The chain around one attempt, outermost first. Its order is the order of this list. */
export const STEP_POLICIES: readonly Policy[] = [timeout, validate];

/** Builds the chain of each step once. Source: Flujo, ExecutorCore and its policy registry: no branch on step kind. */
export class PolicyRegistry {
  readonly #policies: readonly Policy[];
  readonly #chains = new WeakMap<StepNode, { step?: Execute; undo?: Execute }>();

  constructor(policies: readonly Policy[] = STEP_POLICIES) {
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
    return compose(this.#policies, ({ input, context }) => run(input, context as never), { node, config, purpose });
  }
}
