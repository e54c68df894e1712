import type { Definition } from "../definition/definition.ts";
import type { StepConfig } from "../definition/node.ts";
import type { Fiber } from "../planner/fiber.ts";
import type { Scheduling } from "../ports/store.ts";

type Placed = Pick<Fiber, "doing" | "queue" | "priority" | "lane">;
type Nodes = Pick<Definition, "nodes">;

/**
 * Where a fiber stands in the queue. What it does next decides: a step may name a queue, a priority and a key of its own;
 * everything else, waits, joins and compensations too, belongs to the queue of the run. So an answer never waits for a rare
 * machine on which some step happened to run, and a worker that claims by queue never gets a step that is not for it.
 */
export function schedulingOf(definition: Nodes, fiber: Placed): Scheduling {
  const config = stepConfig(definition, fiber);
  if (config === undefined) return fiber;
  const { queue, priority } = config;
  const lane = (fiber.doing.kind === "step" ? fiber.doing.lane : undefined) ?? fiber.lane;
  if (queue === undefined && priority === undefined && lane === fiber.lane) return fiber; // asked with every transition: no garbage
  return rowOf({
    queue: queue ?? fiber.queue,
    priority: priority ?? fiber.priority,
    ...(lane !== undefined && { lane }),
  });
}

/**
 * Whether the step that comes next waits for a place of its own: one that names a queue or a key enters that queue anew with
 * each attempt, also from the same queue. Steps that name neither go on under the place that their run has.
 */
export function entersQueue(definition: Nodes, fiber: Placed): boolean {
  const config = stepConfig(definition, fiber);
  return config !== undefined && (config.queue !== undefined || config.key !== undefined);
}

function stepConfig({ nodes }: Nodes, { doing }: Placed): StepConfig | undefined {
  const node = doing.kind === "step" ? nodes.get(doing.path) : undefined;
  return node?.kind === "step" ? node.config : undefined;
}

/** Only the place: what is handed to a store must not bring a whole fiber along. */
export const rowOf = ({ queue, priority, lane }: Scheduling): Scheduling =>
  lane === undefined ? { queue, priority } : { queue, priority, lane };

export const sameScheduling = (a: Scheduling, b: Scheduling): boolean =>
  a.queue === b.queue && a.priority === b.priority && a.lane === b.lane;
