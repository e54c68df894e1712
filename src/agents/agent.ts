import type { Node } from "../definition/node.ts";
import type { Answering } from "../dsl/around.ts";
import type { StepContext } from "../dsl/context.ts";
import type { AgentStepOptions, Lowerable } from "../dsl/lowerable.ts";
import type { Place } from "../dsl/place.ts";
import type { OutputOf, Schema } from "../domain/schema.ts";
import type { EstimateHints } from "../ports/agency.ts";
import type { Model, ModelSettings } from "../ports/model.ts";
import type { AgentContext } from "./agent-context.ts";
import { processorsOf } from "./around-agent.ts";
import { asText } from "./as-text.ts";
import { checkAgent } from "./check-agent.ts";
import { lowerGranular } from "./lower-granular.ts";
import { lowerWhole, runWhole } from "./lower-whole.ts";
import type { PromptFile } from "./prompts/prompt.ts";
import type { Level } from "./structured/conversions.ts";
import type { Tool } from "./tool.ts";

/** A template with `{{ input.… }}` and `{{ context.… }}`, a file that holds one, or a function of what flows in. */
export type Prompt<Input> = string | PromptFile | ((input: Input) => string | Promise<string>);

export interface AgentOptions<Input, Output extends Schema> {
  /** For display, traces and audit: 1 to 128 characters of A-Z a-z 0-9 . _ : - */
  readonly name: string;
  /** "openai:gpt-4o", a model object, or several of them: the next is asked where one fails. */
  readonly model: string | Model | readonly (string | Model)[];
  /** Who the model is and how it works: the system message. */
  readonly instructions?: Prompt<Input>;
  /** What it is asked. Default: the flowing value, text as it is and anything else as JSON. */
  readonly prompt?: Prompt<Input>;
  readonly tools?: readonly Tool[];
  /** What the answer has to be. Without it, text. */
  readonly output?: Output;
  readonly settings?: ModelSettings;
  /**
   * How an answer that is not what `output` says is mended, before the model is asked again. Default: the level of flujo.toml,
   * else 1; 2 times.
   */
  readonly repair?: { readonly level?: Level; readonly maxReasks?: number };
  /**
   * `answer` (default): the first answer without tool calls ends it. `signal`: it goes on until the answer says so, by a field
   * `is_complete`, `done` or `finished` that is true, or a text that ends with COMPLETE or DONE. Source: Flujo, GranularStep.
   */
  readonly completion?: "answer" | "signal";
  /** What you know of its calls better than any table, for reservations. */
  readonly hints?: EstimateHints;
}

/** An agent: plain data. Give it to `.agent(id, agent, options)` of a flow. */
export interface Agent<Input, Out> extends Lowerable<Input, Out>, Answering<Input> {
  readonly name: string;
  readonly model: AgentOptions<Input, Schema>["model"];
  readonly instructions: Prompt<unknown>;
  readonly prompt: Prompt<unknown>;
  readonly tools: readonly Tool[];
  readonly output: Schema | undefined;
  readonly settings: ModelSettings;
  readonly repair: { readonly level?: Level; readonly maxReasks: number };
  readonly completion: "answer" | "signal";
  readonly hints: EstimateHints | undefined;
}

/** What runs an agent needs to know of it, whatever flows through it. */
export type AnyAgent = Omit<Agent<never, unknown>, "lower" | "answer" | "~takes" | "~gives">;

/**
 * Describes an agent: `agent({ name: "researcher", model: "openai:gpt-4o", instructions: "…", tools: [search] })`.
 * Throws OPTION_INVALID for a name that is none, no model, numbers that bound nothing, and two tools of one name.
 */
export function agent<Input = unknown, Output extends Schema = never>(
  options: AgentOptions<Input, Output>,
): Agent<Input, [Output] extends [never] ? string : OutputOf<Output>> {
  const { name, model, tools = [], output, settings = {}, repair = {}, completion = "answer", hints } = options;
  checkAgent(options);
  const data: AnyAgent = {
    name,
    model,
    instructions: (options.instructions ?? "") as Prompt<unknown>,
    prompt: (options.prompt ?? asText) as Prompt<unknown>,
    tools,
    output,
    settings,
    repair: { ...(repair.level !== undefined && { level: repair.level }), maxReasks: repair.maxReasks ?? 2 },
    completion,
    hints,
  };
  const lower = (place: Place, how: AgentStepOptions): Node =>
    how.granular === true ? lowerGranular(place, data, how) : lowerWhole(place, data, how);
  const answer = (input: unknown, ctx: StepContext<unknown>): Promise<unknown> =>
    runWhole(ctx as AgentContext, { agent: data, options: {}, processors: processorsOf({}), input });
  return Object.freeze({ ...data, lower, answer });
}
