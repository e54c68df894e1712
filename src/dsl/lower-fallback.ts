import type { AttemptNode, Node } from "../definition/node.ts";
import type { Lowerable } from "./lowerable.ts";
import { partOf, type Place } from "./place.ts";

/** A step function whose types the builder has checked. */
export type ErasedStep = (input: never, ctx: never) => unknown;

export interface FallbackParts {
  readonly fallback: ErasedStep | Lowerable<never, unknown> | undefined;
  /** Who may not fall back to itself. */
  readonly primary: unknown;
  readonly lower: (at: Place) => Node;
  readonly lowerFunction: (at: Place, run: ErasedStep) => Node;
}

/**
 * A step with a fallback is an attempt with a handler, like any other. A fallback has none of its own, so nothing leads back but
 * a step that names itself.
 */
export function lowerFallback(place: Place, { fallback, primary, lower, lowerFunction }: FallbackParts): Node {
  if (fallback === undefined) return lower(place);
  if (fallback === primary) place.problems.push({ path: place.path, says: "falls back to itself (FALLBACK_LOOP)" });
  const at = partOf(place, "fallback");
  const attempt: AttemptNode = {
    kind: "attempt",
    id: place.id,
    path: place.path,
    label: "fallback",
    body: lower(partOf(place, "primary")),
    compensate: false,
    handler: {
      kind: "fallback",
      node: typeof fallback === "function" ? lowerFunction(at, fallback) : fallback.lower(at, {}),
    },
  };
  return attempt;
}
