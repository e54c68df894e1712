import type { Node } from "../definition/node.ts";
import type { AttemptOptions } from "./options.ts";
import type { Place } from "./place.ts";

/** How an agent runs as a part of a flow. */
export interface AgentStepOptions extends AttemptOptions {
  /**
   * Every model turn and every tool call is committed on its own: what was paid for is never paid for again. Default false: the
   * whole agent is one step, and runs again from its beginning where a process dies.
   */
  readonly granular?: boolean;
  /** Model turns at most, else AGENT_TURNS_EXCEEDED. Default 20. */
  readonly maxTurns?: number;
  /** Of the conversation, what a model is shown: the beginning and the end, at 4 characters a token. Default 128,000. */
  readonly historyMaxTokens?: number;
  /** Tools that are marked `requiresIdempotencyKey` must use theirs, else IDEMPOTENCY_KEY_MISSING. Default false. */
  readonly enforceIdempotency?: boolean;
  /** What of the agent must be as it was when a run began: `strict` everything, `compat` all but the bounds of its history. */
  readonly fingerprint?: "strict" | "compat";
  /** How many tool calls of one turn run at once. Default 10. */
  readonly toolConcurrency?: number;
  /** Default "sync": the flow goes on when the agent is done, with its answer. */
  readonly executionMode?: "sync";
}

/** The agent is a task of its own that nobody waits for; see BackgroundStepOptions. */
export interface BackgroundAgent extends Omit<AgentStepOptions, "executionMode"> {
  readonly executionMode: "background";
}

/** What knows how to become a node: an agent, which lives above this layer. */
export interface Lowerable<in Value, out Out> {
  /** Exist for the compiler only. */
  readonly "~takes"?: (value: Value) => void;
  readonly "~gives"?: Out;
  lower(place: Place, options: AgentStepOptions): Node;
}
