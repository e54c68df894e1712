import { canonical } from "../domain/canonical.ts";
import { sha256 } from "../domain/sha256.ts";
import { encode, type Wire } from "../domain/wire.ts";
import { jsonSchemaOf } from "../definition/json-schema.ts";
import type { AgentStepOptions } from "../dsl/lowerable.ts";
import type { Model } from "../ports/model.ts";
import type { AnyAgent, Prompt } from "./agent.ts";
import { promptHash } from "./prompts/prompt.ts";

export interface Fingerprints {
  readonly strict: string;
  readonly compat: string;
}

/**
 * What an agent was when its run began. `compat`: who it is (name, prompts, models, tools, the contract of its output); `strict`:
 * besides, how it is tuned. A prompt that is a function counts as one, whatever it says. Source: Flujo, GranularStep.
 */
export function fingerprintsOf(
  agent: AnyAgent,
  {
    historyMaxTokens = 0,
    enforceIdempotency = false,
  }: Pick<AgentStepOptions, "historyMaxTokens" | "enforceIdempotency">,
): Fingerprints {
  const identity: Wire = {
    name: agent.name,
    models: modelNames(agent.model),
    instructions: hashOf(agent.instructions),
    prompt: hashOf(agent.prompt),
    tools: agent.tools.map(({ offer, revision = null }) => [offer.name, offer.description, offer.parameters, revision]),
    output: agent.output === undefined ? null : ((jsonSchemaOf(agent.output, "input") as Wire | undefined) ?? "opaque"),
    completion: agent.completion,
  };
  const tuning: Wire = {
    settings: encode(agent.settings),
    repair: encode(agent.repair),
    historyMaxTokens,
    enforceIdempotency,
  };
  return { compat: sha256(canonical(identity)), strict: sha256(canonical({ identity, tuning })) };
}

const hashOf = (prompt: Prompt<unknown>): string => promptHash(typeof prompt === "function" ? () => "" : prompt);

const modelNames = (model: AnyAgent["model"]): readonly string[] =>
  (Array.isArray(model) ? (model as readonly (string | Model)[]) : [model as string | Model]).map(nameOf);

export const nameOf = (model: string | Pick<Model, "provider" | "id">): string =>
  typeof model === "string" ? model : `${model.provider}:${model.id}`;
