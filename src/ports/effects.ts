import type { ShardTransition } from "./shard.ts";

/** Whether a transition touches anything beyond its own fiber and event, and the end of its run. */
const touchesMore = (t: ShardTransition): boolean =>
  t.consume.length > 0 ||
  t.unless !== undefined ||
  t.send.length > 0 ||
  t.spawn.length > 0 ||
  t.startRuns.length > 0 ||
  t.cancelRuns.length > 0 ||
  t.blobs.length > 0 ||
  t.cancelFork !== undefined ||
  t.dropFork !== undefined ||
  t.scheduling !== undefined ||
  (t.outbox?.length ?? 0) > 0;

/** What most transitions are: they keep their fiber, write their state, and touch nothing else. */
export const isHeld = (t: ShardTransition): boolean =>
  t.position.kind === "held" && t.endRun === undefined && !touchesMore(t);

/** What most others are: the last of a run that nobody waits for. */
export const isFinal = (t: ShardTransition): boolean => t.endRun !== undefined && !touchesMore(t);
