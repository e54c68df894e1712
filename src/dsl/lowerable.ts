import type { Node } from "../definition/node.ts";
import type { AroundOptions } from "./around.ts";
import type { StepContext } from "./context.ts";
import type { AttemptOptions } from "./options.ts";
import type { Produced } from "./outcome.ts";
import type { Place } from "./place.ts";

/** How an agent runs as a part of a flow. */
export interface AgentStepOptions<Value = never, Out = never, Context = never>
  extends AttemptOptions,
    AroundOptions<Value, Out, Context> {
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
export interface BackgroundAgent<Value, Context>
  extends Omit<AgentStepOptions<Value, unknown, Context>, "executionMode">,
    FallbackOption<Value, unknown, Context> {
  readonly executionMode: "background";
}

/** What knows how to become a node: an agent, which lives above this layer. */
export interface Lowerable<in Value, out Out> {
  /** Exist for the compiler only. */
  readonly "~takes"?: (value: Value) => void;
  readonly "~gives"?: Out;
  lower(place: Place, options: AgentStepOptions): Node;
}

/** An agent in a flow: how it runs, and who takes its place. */
export interface AgentUse<Value, Out, Context>
  extends AgentStepOptions<Value, Out, Context>,
    FallbackOption<Value, Out, Context> {}

export interface FallbackOption<Value, Out, Context> {
  /**
   * A function or an agent that takes over when the step has failed for good: gets the same value, has one attempt, and stands in
   * the history beside the step, which is then `<id>/primary`, as `<id>/fallback`. What both spent counts. A run out of budget or
   * of time has no fallback. Source: Flujo, fallback.
   */
  readonly fallback?: Fallback<Value, Out, Context>;
}

export type Fallback<Value, Out, Context> =
  | ((value: Value, ctx: StepContext<Context>) => Produced<NoInfer<Out>>)
  | Lowerable<Value, Out>;
