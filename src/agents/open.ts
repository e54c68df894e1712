import { process } from "../domain/processing.ts";
import type { Processors } from "../definition/around.ts";
import type { AgentStepOptions } from "../dsl/lowerable.ts";
import type { AgentContext } from "./agent-context.ts";
import type { AnyAgent, Prompt } from "./agent.ts";
import { asText } from "./as-text.ts";
import { fingerprintsOf } from "./fingerprint.ts";
import { prompt as rendered } from "./prompts/prompt.ts";
import type { Opening } from "./turn-record.ts";

interface Opened {
  readonly agent: AnyAgent;
  readonly options: AgentStepOptions;
  readonly processors: Processors;
  readonly input: unknown;
}

/** Renders the prompts, once: what the model was told does not change because a file did. */
export async function openAgent(
  ctx: Pick<AgentContext, "context">,
  { agent, options, processors, input }: Opened,
): Promise<Opening> {
  const { context } = ctx;
  const text = async (source: Prompt<unknown>): Promise<string> =>
    typeof source === "function" ? source(input) : rendered(source, { input, context });
  const [system, asked] = await Promise.all([text(agent.instructions), text(agent.prompt)]);
  const prompt = asText(await process("prompt", processors.prompt, { data: asked, ctx }));
  return { kind: "opening", system, prompt, fingerprints: fingerprintsOf(agent, options) };
}

export const modeOf = (options: AgentStepOptions, { agency }: Pick<AgentContext, "agency">): "strict" | "compat" =>
  options.fingerprint ?? agency.fingerprint;
