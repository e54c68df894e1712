import type { Fact } from "../domain/event.ts";
import type { Definition } from "../definition/definition.ts";
import { apply } from "./apply.ts";
import { Draft } from "./draft.ts";
import type { Fiber } from "./fiber.ts";

/**
 * Repeats recorded facts on a fiber as it was born; asks no user function. Folding the history of a fiber gives exactly the
 * state that is stored (tested for every run the tests ever produce).
 */
export function fold(definition: Definition, born: Fiber, facts: Iterable<Fact>): Fiber {
  const draft = new Draft(definition, born);
  for (const fact of facts) {
    begin(draft, fact);
    apply(draft, fact);
  }
  return draft.seal();
}

/** A fiber that has begun: one that was claimed but has recorded nothing yet is at the same point. */
export function begun(definition: Definition, fiber: Fiber): Fiber {
  if (fiber.doing.kind !== "new") return fiber;
  const draft = new Draft(definition, fiber);
  const node = definition.nodes.get(fiber.doing.path);
  if (node !== undefined) draft.enter(node, fiber.doing.visit);
  return draft.seal();
}

/** A fiber begins before its first own fact: going down to its first leaf is structure, not decision. */
function begin(draft: Draft, fact: Fact): void {
  if (
    draft.doing.kind !== "new" ||
    fact.type === "run.started" ||
    fact.type === "run.forked" ||
    fact.type === "run.retried"
  )
    return;
  if (fact.type === "cancel.requested") return;
  const node = draft.definition.nodes.get(draft.doing.path);
  if (node !== undefined) draft.enter(node, draft.doing.visit);
}
