import type { StepContext } from "../dsl/context.ts";
import type { Agency } from "../ports/agency.ts";

/** What the steps of an agent get: like any step, and the way to models, budgets and what was recorded. */
export interface AgentContext extends StepContext<unknown> {
  readonly agency: Agency;
}
