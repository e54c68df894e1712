import { sameWire } from "../domain/canonical.ts";
import { FlujoError } from "../domain/errors.ts";
import { FinalError } from "../domain/final-error.ts";
import { encode } from "../domain/wire.ts";
import type { Plugin } from "../definition/around.ts";
import type { Attempt, Finding, Policy } from "./policy.ts";

/** How often an output is replaced: plugins that never agree would go on for ever. */
const MAX_ROUNDS = 10;

/**
 * Asks plugins about an output, by priority. One may replace it, or send the input to somebody else whose output takes its place;
 * whatever is new is asked about from the beginning. Source: Flujo, validation plugins and their redirects.
 */
export const plugins: Policy = (next, { node: { around }, purpose }) => {
  const all = around?.plugins;
  if (all === undefined || purpose === "undo") return next;
  return async (attempt) => new Asking(all, attempt).ask(await next(attempt));
};

interface Answer {
  readonly success: boolean;
  readonly feedback?: string;
  readonly redirectTo?: unknown;
  readonly newSolution?: unknown;
}

class Asking {
  readonly #plugins: readonly Plugin[];
  readonly #attempt: Attempt;
  readonly #turns = new Set<unknown>();

  constructor(all: readonly Plugin[], attempt: Attempt) {
    this.#plugins = all;
    this.#attempt = attempt;
  }

  async ask(first: unknown): Promise<unknown> {
    let output = first;
    for (let round = 0; round <= MAX_ROUNDS; round++) {
      const replaced = await this.#replaced(output);
      if (replaced === undefined) return output;
      output = replaced.by;
    }
    throw new FinalError("REDIRECT_LOOP", `plugins replaced the output ${MAX_ROUNDS} times and still do not agree`);
  }

  /** What takes the place of an output; undefined when it may stay. */
  async #replaced(output: unknown): Promise<{ readonly by: unknown } | undefined> {
    for (const plugin of this.#plugins) {
      const answer = await this.#answer(plugin, output);
      const { success, redirectTo, newSolution } = answer;
      if (newSolution !== undefined && !this.#isSame(plugin, newSolution, output)) return { by: newSolution };
      if (success || newSolution !== undefined) continue;
      if (redirectTo !== undefined) return { by: await this.#redirected(plugin, redirectTo) };
      this.#refuse(plugin, answer);
    }
    return undefined;
  }

  async #answer({ name, ask }: Plugin, output: unknown): Promise<Answer> {
    let answer: unknown;
    try {
      answer = await ask(output, this.#attempt.context as never);
    } catch (cause) {
      throw new FlujoError("PLUGIN_FAILED", `the plugin ${name} failed: ${textOf(cause)}`, {
        cause,
        details: { plugin: name },
      });
    }
    if (typeof answer === "object" && answer !== null && "success" in answer) return answer as Answer;
    throw new FinalError("PLUGIN_FAILED", `the plugin ${name}: expected { success } but found ${typeof answer}`, {
      details: { plugin: name },
    });
  }

  /** What replaces an output by itself is agreement. */
  #isSame({ name }: Plugin, one: unknown, other: unknown): boolean {
    try {
      return sameWire(encode(one), encode(other));
    } catch (cause) {
      throw new FinalError("PLUGIN_FAILED", `the plugin ${name}: its new solution cannot be stored`, { cause });
    }
  }

  async #redirected({ name }: Plugin, target: unknown): Promise<unknown> {
    const { input, context } = this.#attempt;
    if (this.#turns.has(target))
      throw new FinalError("REDIRECT_LOOP", `the plugin ${name} sent the input twice to ${nameOf(target)}`, {
        details: { plugin: name, to: nameOf(target) },
      });
    this.#turns.add(target);
    if (typeof target === "function") return (target as (value: unknown, ctx: unknown) => unknown)(input, context);
    if (isAnswering(target)) return target.answer(input, context);
    throw new FinalError("PLUGIN_FAILED", `the plugin ${name}: expected redirectTo to be a function or an agent`);
  }

  #refuse({ name }: Plugin, { feedback }: Answer): void {
    const finding: Finding = { name, isValid: false, score: 0, ...(feedback !== undefined && { feedback }) };
    if (this.#attempt.findings !== undefined) return void this.#attempt.findings.push(finding);
    throw new FlujoError("VALIDATION_FAILED", feedback ?? `the plugin ${name} refused the output`, {
      details: { validators: [finding] },
    });
  }
}

interface Answering {
  readonly name: string;
  answer(value: unknown, ctx: unknown): unknown;
}

const isAnswering = (target: unknown): target is Answering =>
  typeof target === "object" && target !== null && "answer" in target && typeof target.answer === "function";

function nameOf(target: unknown): string {
  const { name } = target as { readonly name?: unknown };
  return typeof name === "string" && name !== "" ? name : "a function without a name";
}

const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
