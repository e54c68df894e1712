import { FlujoError } from "../domain/errors.ts";
import { isId } from "../domain/ids.ts";
import type { Schema } from "../domain/schema.ts";
import type { AgentOptions } from "./agent.ts";

type Given = AgentOptions<never, Schema>;

const MAX_REASKS = 10; // each is a call that is paid for; who was told ten times will not know better

/** What an agent cannot be. Throws OPTION_INVALID at the first: a wrong number here is a bill, or an agent that never ends. */
export function checkAgent(given: Given): void {
  const { name, model, tools = [] } = given;
  if (typeof name !== "string" || !isId(name))
    throw invalid(`agent: expected a name of 1 to 128 of A-Z a-z 0-9 . _ : - but found ${JSON.stringify(name)}`);
  const refuse = (says: string): never => {
    throw invalid(`agent ${name}: ${says}`);
  };
  const models: readonly unknown[] = Array.isArray(model) ? model : [model];
  if (models.length === 0) refuse("expected at least one model but found none");
  if (!models.every(isModel)) refuse('expected a model, or a text such as "openai:gpt-4o"');
  const twice = tools.find((one, i) => tools.findIndex((other) => other.name === one.name) !== i);
  if (twice !== undefined) refuse(`two tools are called "${twice.name}"`);
  for (const says of problemsIn(given)) refuse(says);
}

const isModel = (value: unknown): boolean =>
  typeof value === "string" ? value !== "" : typeof value === "object" && value !== null && "generate" in value;

function problemsIn({ output, settings = {}, repair = {}, completion, hints = {} }: Given): readonly string[] {
  const { level = 1, maxReasks = 0 } = repair;
  const { maxOutputTokens = 1 } = settings;
  const { expectedCostUsd = 0, expectedTokens = 0 } = hints;
  const checks: readonly (readonly [isRight: boolean, says: string])[] = [
    [output === undefined || "~standard" in output, "expected a schema in `output`"],
    [
      isWhole(maxOutputTokens, 1),
      `settings.maxOutputTokens: expected a whole number from 1 but found ${maxOutputTokens}`,
    ],
    [[0, 1, 2].includes(level), `repair.level: expected 0, 1 or 2 but found ${level}`],
    [
      isWhole(maxReasks, 0) && maxReasks <= MAX_REASKS,
      `repair.maxReasks: expected a whole number from 0 to ${MAX_REASKS} but found ${maxReasks}`,
    ],
    [
      completion === undefined || ["answer", "signal"].includes(completion),
      `completion: expected "answer" or "signal" but found ${JSON.stringify(completion)}`,
    ],
    [isAmount(expectedCostUsd), `hints.expectedCostUsd: expected a number of at least 0 but found ${expectedCostUsd}`],
    [isAmount(expectedTokens), `hints.expectedTokens: expected a number of at least 0 but found ${expectedTokens}`],
  ];
  return checks.flatMap(([isRight, says]) => (isRight ? [] : [says]));
}

const isWhole = (value: number, least: number): boolean => Number.isSafeInteger(value) && value >= least;
const isAmount = (value: number): boolean => Number.isFinite(value) && value >= 0;

const invalid = (message: string): FlujoError => new FlujoError("OPTION_INVALID", message);
