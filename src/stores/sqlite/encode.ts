import type { Transition } from "../../ports/store.ts";
import { refuseUnsendable } from "../../ports/new-message.ts";
import { json, storable } from "../../ports/stored-text.ts";

/** A transition as text, made before anything is written: what cannot be encoded is refused while nothing has happened. */
export interface Encoded {
  readonly state: string;
  readonly value: string | undefined;
  readonly context: string | undefined;
  readonly aside: string | undefined;
  readonly facts: string | undefined;
  readonly names: string | undefined;
  readonly wait: string | undefined;
}

export function encode({ state, value, context, aside, event, position, wait, send }: Transition): Encoded {
  for (const message of send) refuseUnsendable(message);
  const parked = position.kind === "parked";
  return {
    state: json(state),
    value: value === undefined ? undefined : json(value),
    context: context === undefined ? undefined : json(context),
    aside: aside === undefined ? undefined : json(aside),
    facts: event === undefined ? undefined : json(event.facts),
    names: parked ? json(position.names.map(storable)) : undefined,
    wait: parked && wait !== undefined ? json(wait) : undefined,
  };
}
