import type { Definition } from "../definition/definition.ts";
import type { Fiber } from "../planner/fiber.ts";
import type { Scheduling } from "../ports/store.ts";

/**
 * Where a fiber stands in the queue. What it does next decides: a step may name a queue and a priority of its own; everything
 * else, waits, joins and compensations too, belongs to the queue of the run. So an answer never waits for a rare machine on
 * which some step happened to run, and a worker that claims by queue never gets a step that is not for it.
 */
export function schedulingOf(
  { nodes }: Pick<Definition, "nodes">,
  fiber: Pick<Fiber, "doing" | "queue" | "priority">,
): Scheduling {
  const { doing } = fiber;
  const node = doing.kind === "step" ? nodes.get(doing.path) : undefined;
  if (node?.kind !== "step") return fiber;
  const { queue, priority } = node.config;
  if (queue === undefined && priority === undefined) return fiber; // asked with every transition: no garbage
  return { queue: queue ?? fiber.queue, priority: priority ?? fiber.priority };
}
