import { type RunId, runId } from "../../domain/ids.ts";
import type { QueueRules } from "../../ports/queue-rules.ts";
import type { ClaimRequest } from "../../ports/queue.ts";
import type { Lease } from "../../ports/store.ts";
import { newRun, QUEUE } from "./records.ts";
import type { Scene } from "./scene.ts";
import { type Held, heldOf } from "./transitions.ts";

/*
 * What the cases about governed queues share. Runs are named after their lane and number: `red-3`.
 */

/** Sets rules for the queue of the suite. */
export const govern = async ({ store }: Scene, rules: Omit<QueueRules, "queue">): Promise<void> =>
  store.putQueueRules([{ queue: QUEUE, ...rules }]);

export interface Filling {
  readonly priority?: number;
  readonly queue?: string;
  readonly readyAt?: number;
}

/** Creates that many waiting runs in a lane; the lane "" is left out. */
export async function fill(scene: Scene, lane: string, count: number, root: Filling = {}): Promise<readonly RunId[]> {
  const createdAt = scene.clock.now();
  const existing = (await scene.store.list({ limit: 1_000 })).items.length;
  const ids = Array.from({ length: count }, (_, i) => runId(`${lane === "" ? "none" : lane}-${existing + i + 1}`));
  const runs = ids.map((id) => newRun({ id, createdAt, root: { ...root, ...(lane !== "" && { lane }) } }));
  await scene.store.createRuns(runs);
  return ids;
}

/** Lanes of what was claimed, in the order of the claim. */
export const claimedLanes = async (
  scene: Scene,
  lease: Lease,
  given: Partial<ClaimRequest> = {},
): Promise<readonly string[]> => (await scene.claim(lease, given)).map(({ lane = "" }) => lane);

export const claimedCount = async (scene: Scene, lease: Lease, given: Partial<ClaimRequest> = {}): Promise<number> =>
  (await scene.claim(lease, given)).length;

export const claimHeld = async (
  scene: Scene,
  lease: Lease,
  given: Partial<ClaimRequest> = {},
): Promise<readonly Held[]> => (await scene.claim(lease, given)).map((fiber) => heldOf(fiber, lease));

/** How often each occurs. */
export function tally(names: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
