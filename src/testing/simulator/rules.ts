import type { LaneRules, QueueRules } from "../../ports/queue-rules.ts";
import type { Random } from "../random.ts";
import type { Cluster } from "./cluster.ts";

/** Governs the queues of a world: at its beginning, and now and then anew, also while rows are leased and waiting. */
export function regulate(cluster: Cluster, random: Random): void {
  const { loop, weather, queues } = cluster;
  for (const queue of queues) cluster.govern(drawRules(random, queue));
  const again = (): void => {
    loop.after(random.int(500, 6_000), () => {
      if (weather.clear) return;
      cluster.govern(drawRules(random, random.pick(queues) ?? "default"));
      again();
    });
  };
  if (random.chance(0.5)) again();
}

/** Narrow rules, so that rows do wait; now and then none. */
function drawRules(random: Random, queue: string): QueueRules {
  if (random.chance(0.1)) return { queue };
  const lane = random.chance(0.6) ? { lane: drawLimits(random) } : {};
  return { queue, ...drawLimits(random), ...lane };
}

const drawLimits = (random: Random): LaneRules => ({
  ...(random.chance(0.6) && { concurrency: random.int(1, 3) }),
  ...(random.chance(0.4) && { rate: { count: random.int(1, 6), perMs: random.int(50, 2_000) } }),
});
