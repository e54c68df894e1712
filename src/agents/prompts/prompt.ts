import { canonical } from "../../domain/canonical.ts";
import { FlujoError } from "../../domain/errors.ts";
import { sha256 } from "../../domain/sha256.ts";
import { encode } from "../../domain/wire.ts";
import { promptFile } from "./prompt-file.ts";
import { type PromptVariables, render, type Template } from "./template.ts";

/** A template in a file of its own, with values for variables that callers do not give. */
export interface PromptFile {
  /** Relative to the base, or absolute. */
  readonly file: string;
  readonly variables?: PromptVariables;
}

/** A template, a function, or a file that holds a template. */
export type PromptSource = string | ((variables: PromptVariables) => string | Promise<string>) | PromptFile;

export interface PromptOptions {
  /** Folder that relative files start at and stay in. Default: the working directory. */
  readonly base?: string;
}

/**
 * The text of a prompt. Templates know `{{ path.to.variable | filter }}` with the filters join, upper, lower, length, tojson and
 * default; lists and records become JSON; `\{{` is two braces. Throws PROMPT_INVALID: a variable is missing, the template is
 * malformed, the file cannot be read, the function threw.
 */
export async function prompt(
  source: PromptSource,
  variables: PromptVariables,
  options: PromptOptions = {},
): Promise<string> {
  if (typeof source === "function") return computed(source, variables);
  const defaults = typeof source === "string" ? {} : source.variables;
  return render(templateOf(source, options), { ...defaults, ...variables });
}

async function computed(
  source: (variables: PromptVariables) => string | Promise<string>,
  variables: PromptVariables,
): Promise<string> {
  let text: unknown;
  try {
    text = await source(variables);
  } catch (cause) {
    throw new FlujoError("PROMPT_INVALID", "the prompt's function threw", { cause });
  }
  if (typeof text === "string") return text;
  throw new FlujoError("PROMPT_INVALID", `the prompt's function must return text, but returned ${typeof text}`);
}

/**
 * SHA-256 of what a prompt says before its variables are put in, for fingerprints and the lockfile. The same for a text and for a
 * file that holds it. A function counts as computed, whatever its source: raise `revision` when what it says changes.
 */
export function promptHash(source: PromptSource, options: PromptOptions = {}): string {
  if (typeof source === "function") return sha256(canonical({ prompt: "computed" }));
  const variables = typeof source === "string" ? undefined : source.variables;
  const shape = { template: templateOf(source, options).text };
  return sha256(canonical(variables === undefined ? shape : { ...shape, variables: encode(variables) }));
}

function templateOf(source: string | PromptFile, { base = process.cwd() }: PromptOptions): Template {
  if (typeof source === "string") return { text: source, name: "prompt" };
  return { text: promptFile(source.file, base), name: source.file };
}
