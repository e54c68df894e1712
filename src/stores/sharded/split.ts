import { randomUUID } from "node:crypto";
import type { FlujoError } from "../../domain/errors.ts";
import type { RunId } from "../../domain/ids.ts";
import { unsendable } from "../../ports/new-message.ts";
import { unplaceable } from "../../ports/new-run.ts";
import type { Effect, OutboxEntry, ShardTransition } from "../../ports/shard.ts";
import type { Transition } from "../../ports/store.ts";

/** The run that an effect changes. */
export function targetOf(effect: Effect): RunId {
  switch (effect.kind) {
    case "send":
      return effect.message.run;
    case "start":
      return effect.run.id;
    case "cancel":
      return effect.run;
  }
}

/** Effects of a transition on runs, in the order of the contract: starts, messages, cancels. */
function effectsOf({ startRuns, send, cancelRuns }: Transition): readonly Effect[] {
  return [
    ...startRuns.map((run): Effect => ({ kind: "start", run })),
    ...send.map((message): Effect => ({ kind: "send", message })),
    ...cancelRuns.map(({ run, reason }): Effect => ({ kind: "cancel", run, reason })),
  ];
}

export const targetsOf = (transition: Transition): readonly RunId[] =>
  effectsOf(transition).map((effect) => targetOf(effect));

/**
 * The same transition for the shard of its run: what it does to runs of other shards goes into the outbox. Answers the same
 * object when all of it stays at home.
 */
export function split(transition: Transition, placeOf: (run: RunId) => number): ShardTransition {
  const { startRuns, send, cancelRuns } = transition;
  if (startRuns.length === 0 && send.length === 0 && cancelRuns.length === 0) return transition;
  const home = placeOf(transition.run);
  const away = effectsOf(transition).filter((effect) => placeOf(targetOf(effect)) !== home);
  if (away.length === 0) return transition;
  const stays = (run: RunId): boolean => placeOf(run) === home;
  const batch = randomUUID();
  return {
    ...transition,
    startRuns: startRuns.filter(({ id }) => stays(id)),
    send: send.filter(({ run }) => stays(run)),
    cancelRuns: cancelRuns.filter(({ run }) => stays(run)),
    outbox: away.map((effect, i) => entryOf(`${batch}.${i}`, placeOf(targetOf(effect)), effect)),
  };
}

/** A message that has no name of its own gets that of its entry, by which the other shard knows it again. */
function entryOf(id: string, to: number, effect: Effect): OutboxEntry {
  if (effect.kind !== "send") return { id, to, effect };
  const { message } = effect;
  if (message.id !== undefined || message.once !== undefined) return { id, to, effect };
  return { id, to, effect: { kind: "send", message: { ...message, once: id } } };
}

/**
 * Why the transition cannot be stored, as far as it concerns other shards: they would be asked only after it was, and then there
 * is nobody to tell.
 */
export function refusal({ startRuns, send }: Transition): FlujoError | undefined {
  for (const run of startRuns) {
    const error = unplaceable(run);
    if (error !== undefined) return error;
  }
  for (const message of send) {
    const error = unsendable(message);
    if (error !== undefined) return error;
  }
  return undefined;
}
