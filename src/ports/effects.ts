import type { ShardTransition } from "./shard.ts";

/** Whether a transition touches anything beyond its own fiber and event, the messages that it takes, and the end of its run. */
const touchesMore = (t: ShardTransition): boolean =>
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

const goesOn = (t: ShardTransition): boolean => t.position.kind === "held" && t.endRun === undefined && !touchesMore(t);

/** What most transitions are: they keep their fiber, write their state, and touch nothing else. */
export const isHeld = (t: ShardTransition): boolean => goesOn(t) && t.consume.length === 0;

/** What most others are: the last of a run that nobody waits for. */
export const isFinal = (t: ShardTransition): boolean =>
  t.endRun !== undefined && t.consume.length === 0 && !touchesMore(t);

/** How a fiber that waited goes on: it takes the messages that it was woken for, keeps going, and touches nothing else. */
export const isReceipt = (t: ShardTransition): boolean => goesOn(t) && t.consume.length > 0;
