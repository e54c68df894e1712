import type { Wire } from "../domain/wire.ts";

/**
 * The state of a claimed fiber whose record the store cannot read. Nobody can decode it, so whoever claimed the fiber fails it
 * visibly and reports to those who wait for it. A claim that threw would take all other fibers of the queue down with it.
 */
export const undecodable = (why: string): Wire => ({ $undecodable: why });

/** Why, if this is such a state. */
export function whyUndecodable(state: Wire): string | undefined {
  if (typeof state !== "object" || state === null || !("$undecodable" in state)) return undefined;
  const why = state.$undecodable;
  return typeof why === "string" ? why : "an unknown record";
}
