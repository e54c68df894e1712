import type { Node } from "../definition/node.ts";
import { inMode } from "./lower-background.ts";
import { type FallbackParts, lowerFallback } from "./lower-fallback.ts";
import { lowerStep } from "./lower-step.ts";
import type { AgentStepOptions, Lowerable } from "./lowerable.ts";
import type { Place } from "./place.ts";

/** What an agent in a flow was given, without its types. */
export interface ErasedAgentUse extends Omit<AgentStepOptions, "executionMode"> {
  readonly executionMode?: "sync" | "background";
  readonly fallback?: FallbackParts["fallback"];
}

export function lowerAgent<Value>(
  place: Place,
  agent: Lowerable<Value, unknown>,
  { executionMode, fallback, ...how }: ErasedAgentUse,
): Node {
  const lower = (at: Place): Node => agent.lower(at, how);
  return inMode(place, executionMode, (at) =>
    lowerFallback(at, { fallback, primary: agent, lower, lowerFunction: lowerStep }),
  );
}
