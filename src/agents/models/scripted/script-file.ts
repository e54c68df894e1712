import { parse } from "yaml";
import { FlujoError } from "../../../domain/errors.ts";
import { didYouMean } from "../../../domain/suggest.ts";
import type { ModelRequest } from "../../../ports/model.ts";
import { isRecord } from "../openai/answer.ts";
import { byRules, Order, type Rule } from "./scripted-model.ts";
import type { ScriptedAnswer, ScriptStep } from "./script.ts";

/** A script as a file holds it. */
export interface ScriptFile {
  readonly next: (request: ModelRequest) => ScriptStep;
  readonly models: readonly string[];
}

const FILE_KEYS: readonly string[] = ["models", "cyclic", "steps", "rules"];
const RULE_KEYS: readonly string[] = ["when", "after", "say"];

/** What each key of a step may hold. */
const STEP_KEYS: Readonly<Record<string, (value: unknown) => boolean>> = {
  text: isText,
  json: () => true,
  calls: (value) => Array.isArray(value) && value.every((call) => isRecord(call) && isText(call["name"])),
  chunks: (value) => Array.isArray(value) && value.every(isText),
  error: (value) =>
    isCount(value) || (isRecord(value) && isCount(value["status"] ?? 0) && isCount(value["retryAfterMs"] ?? 0)),
  malformed: isTrue,
  dropped: isTrue,
  hang: isTrue,
  reasoning: isText,
  delayMs: isCount,
  usage: (value) => isRecord(value) && Object.values(value).every(isCount),
  costMicroUsd: isCount,
  finish: isText,
};

function isText(value: unknown): value is string {
  return typeof value === "string";
}
function isTrue(value: unknown): boolean {
  return value === true;
}
function isCount(value: unknown): boolean {
  return typeof value === "number" && Number.isInteger(value) && value >= 0;
}

/**
 * Reads a script in YAML or JSON: `steps` in their order (again from the first with `cyclic: true`), or `rules`, as `scriptedModel`
 * and `rolePlay` take them; a `when` between slashes is a pattern. Throws OPTION_INVALID with everything that is wrong.
 *
 *   rules:
 *     - when: /weather in (\\w+)/i
 *       say: { calls: [{ name: weather, arguments: { city: Rome } }] }
 *     - say: I only know the weather.
 */
export function readScript(file: string, text: string): ScriptFile {
  const problems: string[] = [];
  const table = new Checker(problems).record("script", parsed(file, text), FILE_KEYS);
  const { steps, rules, models = ["mock"], cyclic = false } = table;
  const checker = new Checker(problems);
  if ((steps === undefined) === (rules === undefined)) problems.push("expected either steps or rules");
  if (!Array.isArray(models) || !models.every(isText)) problems.push("models: expected a list of names");
  if (typeof cyclic !== "boolean") problems.push("cyclic: expected true or false");
  const next =
    steps === undefined
      ? byRules(checker.list("rules", rules ?? []).map((rule, index) => checker.rule(`rules[${index}]`, rule)))
      : inOrder(checker.steps("steps", steps), cyclic === true);
  if (problems.length > 0) {
    throw new FlujoError("OPTION_INVALID", `${file}: ${problems.join("\n")}`, { details: { file, problems } });
  }
  return { next, models: models as readonly string[] };
}

function inOrder(steps: readonly ScriptStep[], cyclic: boolean): (request: ModelRequest) => ScriptStep {
  const order = new Order(steps, cyclic);
  return (request) => order.next(request);
}

function parsed(file: string, text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    const said = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    throw new FlujoError("OPTION_INVALID", `${file}: expected YAML or JSON: ${said}`, { cause: error });
  }
}

class Checker {
  readonly #problems: string[];

  constructor(problems: string[]) {
    this.#problems = problems;
  }

  record(path: string, value: unknown, keys: readonly string[]): Readonly<Record<string, unknown>> {
    if (!isRecord(value)) {
      this.#problems.push(`${path}: expected ${keys.join(", ")}`);
      return {};
    }
    for (const key of Object.keys(value)) {
      if (!keys.includes(key)) this.#problems.push(`${path}: unknown key "${key}"${didYouMean(key, keys)}`);
    }
    return value;
  }

  list(path: string, value: unknown): readonly unknown[] {
    if (Array.isArray(value)) return value;
    this.#problems.push(`${path}: expected a list`);
    return [];
  }

  steps(path: string, value: unknown): readonly ScriptStep[] {
    return this.list(path, value).map((step, index) => this.#step(`${path}[${index}]`, step));
  }

  rule(path: string, value: unknown): Rule {
    const { when, after, say } = this.record(path, value, RULE_KEYS);
    for (const [key, found] of Object.entries({ when, after })) {
      if (found !== undefined && !isText(found)) this.#problems.push(`${path}.${key}: expected a text`);
    }
    return {
      ...(isText(when) && { when: this.#condition(path, when) }),
      ...(isText(after) && { after }),
      say: Array.isArray(say) ? this.steps(`${path}.say`, say) : this.#step(`${path}.say`, say),
    };
  }

  #condition(path: string, when: string): RegExp | string {
    const [, pattern, flags] = /^\/(.+)\/([a-z]*)$/.exec(when) ?? [];
    if (pattern === undefined) return when;
    try {
      return new RegExp(pattern, flags);
    } catch (error) {
      this.#problems.push(`${path}.when: ${error instanceof Error ? error.message : String(error)}`);
      return when;
    }
  }

  #step(path: string, value: unknown): ScriptStep {
    if (isText(value)) return value;
    const step = this.record(path, value, Object.keys(STEP_KEYS));
    for (const [key, found] of Object.entries(step)) {
      if (STEP_KEYS[key]?.(found) === false) this.#problems.push(`${path}.${key}: found ${JSON.stringify(found)}`);
    }
    return step as ScriptedAnswer;
  }
}
