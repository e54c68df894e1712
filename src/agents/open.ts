import type { AgentStepOptions } from "../dsl/lowerable.ts";
import type { AgentContext } from "./agent-context.ts";
import type { AnyAgent, Prompt } from "./agent.ts";
import { fingerprintsOf } from "./fingerprint.ts";
import { prompt as rendered } from "./prompts/prompt.ts";
import type { Opening } from "./turn-record.ts";

/** Renders the prompts, once: what the model was told does not change because a file did. */
export async function openAgent(
  { context }: Pick<AgentContext, "context">,
  { agent, options, input }: { readonly agent: AnyAgent; readonly options: AgentStepOptions; readonly input: unknown },
): Promise<Opening> {
  const text = async (source: Prompt<unknown>): Promise<string> =>
    typeof source === "function" ? source(input) : rendered(source, { input, context });
  const [system, prompt] = await Promise.all([text(agent.instructions), text(agent.prompt)]);
  return { kind: "opening", system, prompt, fingerprints: fingerprintsOf(agent, options) };
}

export const modeOf = (options: AgentStepOptions, { agency }: Pick<AgentContext, "agency">): "strict" | "compat" =>
  options.fingerprint ?? agency.fingerprint;
