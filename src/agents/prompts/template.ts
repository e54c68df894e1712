import type { Liquid, LiquidError } from "liquidjs";
import { FlujoError } from "../../domain/errors.ts";
import { didYouMean } from "../../domain/suggest.ts";
import { FILTERS, textOf } from "./filters.ts";

/*
 * `{{ variable | filter }}` and nothing more: no control blocks, no files included, six filters. What a variable holds is text
 * and stays text: it is put in after the template was read, so braces in it mean nothing. Source: Flujo, templates.
 */

export type PromptVariables = Readonly<Record<string, unknown>>;

/** Where a template comes from, for messages: its file, or "prompt". */
export interface Template {
  readonly text: string;
  readonly name: string;
}

const MAX_NAMES = 30; // in a message, of the variables there are

interface Engine {
  readonly liquid: Liquid;
  readonly isError: (error: unknown) => error is LiquidError;
}

let loading: Promise<Engine> | undefined;

/** Loaded with the first template that has a variable: it is 45 ms of a process's start. */
async function templateEngine(): Promise<Engine> {
  const module = await import("liquidjs");
  const engine = new module.Liquid({
    strictVariables: true,
    strictFilters: true,
    ownPropertyOnly: true,
    lenientIf: true, // `default` may stand in for a variable that is not there
    outputEscape: textOf,
  });
  for (const name of Object.keys(engine.tags)) delete engine.tags[name];
  for (const name of Object.keys(engine.filters)) delete engine.filters[name];
  for (const [name, filter] of Object.entries(FILTERS)) engine.registerFilter(name, filter);
  return { liquid: engine, isError: (error) => module.LiquidError.is(error) };
}

/** Throws PROMPT_INVALID, naming the variable or filter, those there are, and file:line:column. */
export async function render({ text, name }: Template, variables: PromptVariables): Promise<string> {
  if (!/\{[{%]/.test(text)) return text;
  const { liquid, isError } = await (loading ??= templateEngine());
  const source = text.replaceAll("\\{{", '{{ "{{" }}');
  try {
    return String(liquid.parseAndRenderSync(source, { ...variables }));
  } catch (error) {
    throw isError(error) ? invalid(error, name, variables) : error;
  }
}

function invalid(error: LiquidError, name: string, variables: PromptVariables): FlujoError {
  const [line, column] = placeOf(error);
  return new FlujoError("PROMPT_INVALID", problemOf(error, variables), {
    at: `${name}:${line}:${column}`,
    cause: error,
  });
}

function problemOf(error: LiquidError, variables: PromptVariables): string {
  const { originalError } = error;
  const missing =
    originalError !== undefined && "variableName" in originalError ? originalError.variableName : undefined;
  if (typeof missing === "string") return missingVariable(missing, variables);
  if (originalError instanceof FlujoError) return originalError.message;
  const said = (originalError ?? error).message.replace(/, line:\d+, col:\d+$/, "");
  if (said.startsWith("tag "))
    return "templates have no control blocks ({% … %}); use a function as the prompt instead";
  const filter = /^undefined filter: (.+)$/.exec(said)?.[1];
  return filter === undefined ? said : unknownFilter(filter);
}

function missingVariable(path: string, variables: PromptVariables): string {
  const parts = path.split(".");
  const parent = parts.slice(0, -1).reduce<unknown>((value, part) => Reflect.get(Object(value), part), variables);
  const names = typeof parent === "object" && parent !== null ? Object.keys(parent) : [];
  const shown = names.length > MAX_NAMES ? [...names.slice(0, MAX_NAMES), "…"] : names;
  const there = names.length === 0 ? "there are none" : `there are ${shown.join(", ")}`;
  return `the variable "${path}" is missing; ${there}${didYouMean(parts.at(-1) ?? path, names)}`;
}

function unknownFilter(name: string): string {
  const names = Object.keys(FILTERS);
  return `the filter "${name}" is unknown; there are ${names.join(", ")}${didYouMean(name, names)}`;
}

function placeOf({ token }: LiquidError): readonly [line: number, column: number] {
  const [line = 1, column = 1] = token.getPosition();
  return [line, column];
}
