import type { AgentStepOptions } from "../dsl/lowerable.ts";
import type { AgentContext } from "./agent-context.ts";
import type { AnyAgent, Prompt } from "./agent.ts";
import { fingerprintsOf } from "./fingerprint.ts";
import type { Opening } from "./turn-record.ts";

/** Renders the prompts, once: what the model was told does not change because a file did. */
export async function openAgent(agent: AnyAgent, options: AgentStepOptions, input: unknown): Promise<Opening> {
  const system = await rendered(agent.instructions, input);
  const prompt = await rendered(agent.prompt, input);
  return { kind: "opening", system, prompt, fingerprints: fingerprintsOf(agent, options, { system }) };
}

async function rendered(prompt: Prompt<unknown>, input: unknown): Promise<string> {
  return typeof prompt === "string" ? prompt : prompt(input);
}

export const modeOf = (options: AgentStepOptions, { agency }: Pick<AgentContext, "agency">): "strict" | "compat" =>
  options.fingerprint ?? agency.fingerprint;
