import { FlujoError } from "../domain/errors.ts";
import type { Wire } from "../domain/wire.ts";
import type { Aside, Fiber } from "../planner/fiber.ts";
import { NOTHING_ASIDE } from "../planner/fiber.ts";
import { whyUndecodable } from "../ports/undecodable.ts";
import type { FiberData } from "../ports/store.ts";

/** Version of the stored form. A reader refuses what it does not know instead of guessing. */
const VERSION = 1;

type StoredState = Omit<Fiber, "value" | "context" | "aside"> & { readonly v: number };

/** The small part of a fiber that is written with every transition. Plain JSON by construction. */
export function stateOf(fiber: Fiber): Wire {
  const { root, frames, doing, counters, iteration, queue, priority, lane, deadlineAt, cancelling, quota } = fiber;
  const state: { -readonly [Key in keyof StoredState]: StoredState[Key] } = {
    v: VERSION,
    root,
    frames,
    doing,
    counters,
    iteration,
    queue,
    priority,
  };
  if (lane !== undefined) state.lane = lane;
  if (deadlineAt !== undefined) state.deadlineAt = deadlineAt;
  if (cancelling !== undefined) state.cancelling = cancelling;
  if (quota !== undefined) state.quota = quota;
  return state as unknown as Wire;
}

const NO_ASIDE: Wire = null;
export const asideOf = (aside: Aside): Wire => (aside === NOTHING_ASIDE ? NO_ASIDE : (aside as unknown as Wire));

export const dataOf = (fiber: Fiber): FiberData => ({
  state: stateOf(fiber),
  value: fiber.value,
  context: fiber.context,
  aside: asideOf(fiber.aside),
});

/** A fiber from its stored parts, already inflated. Throws RECORD_UNDECODABLE for a version this code does not know. */
export function fiberOf({ state, value, context, aside }: FiberData, where: string): Fiber {
  const stored = state as unknown as Partial<StoredState> | null;
  if (stored?.v !== VERSION || stored.doing === undefined || stored.frames === undefined) {
    throw new FlujoError(
      "RECORD_UNDECODABLE",
      whyUndecodable(state) ?? `expected fiber state of version ${VERSION} but found version ${String(stored?.v)}`,
      { at: where },
    );
  }
  const { root, frames, doing, counters, iteration, queue, priority, lane, deadlineAt, cancelling, quota } =
    stored as StoredState;
  const fiber: { -readonly [Key in keyof Fiber]: Fiber[Key] } = {
    root,
    frames,
    doing,
    value,
    context,
    aside: aside === null ? NOTHING_ASIDE : (aside as unknown as Aside),
    counters,
    iteration,
    queue,
    priority,
  };
  if (lane !== undefined) fiber.lane = lane;
  if (deadlineAt !== undefined) fiber.deadlineAt = deadlineAt;
  if (cancelling !== undefined) fiber.cancelling = cancelling;
  if (quota !== undefined) fiber.quota = quota;
  return fiber;
}
