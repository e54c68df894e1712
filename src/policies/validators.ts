import { FlujoError } from "../domain/errors.ts";
import { FinalError } from "../domain/final-error.ts";
import type { Around, Validator } from "../definition/around.ts";
import type { AttemptContext, Finding, Policy } from "./policy.ts";

/**
 * Asks all validators about an output, at once, and adds up what they and the plugins inside say. Where the step is tolerant, what
 * is not valid is kept; else it fails, and is tried again where its author wants that. Source: Flujo, validators and the hybrid
 * check of validation steps.
 */
export const validators: Policy = (next, { node: { around }, purpose }) => {
  if (around === undefined || purpose === "undo") return next;
  const { validators: all = [], plugins, tolerant } = around;
  if (all.length === 0 && plugins === undefined) return next;
  return async (attempt) => {
    const ctx = attempt.context;
    const found: Finding[] = [];
    const output = await next(tolerant === true ? { ...attempt, findings: found } : attempt);
    found.push(...(await Promise.all(all.map((one) => findingOf(one, output, ctx)))));
    const verdict = verdictOf(ctx.path, found);
    if (!verdict.isValid) refuse(verdict, around, ctx);
    record(verdict, around, ctx);
    return output;
  };
};

interface Verdict {
  readonly step: string;
  readonly isValid: boolean;
  /** The lowest of them. */
  readonly score: number;
  readonly feedback?: string;
  readonly validators: readonly Finding[];
}

/** A validator that throws is not satisfied: silence is no yes. */
async function findingOf({ name, ask }: Validator, output: unknown, ctx: AttemptContext): Promise<Finding> {
  try {
    return read(name, await ask(output, ctx as never));
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    return { name, isValid: false, score: 0, feedback: `${name} failed: ${why}` };
  }
}

function read(name: string, answer: unknown): Finding {
  if (typeof answer === "boolean") return { name, isValid: answer, score: answer ? 1 : 0 };
  if (typeof answer !== "object" || answer === null || !("isValid" in answer) || typeof answer.isValid !== "boolean")
    throw new TypeError(`expected true, false or { isValid } but found ${typeof answer}`);
  const { isValid, score, feedback, metadata } = answer as Pick<Finding, "isValid"> & Partial<Finding>;
  return {
    name,
    isValid,
    score: typeof score === "number" ? score : isValid ? 1 : 0,
    ...(typeof feedback === "string" && { feedback }),
    ...(metadata !== undefined && { metadata }),
  };
}

function verdictOf(step: string, found: readonly Finding[]): Verdict {
  const failed = found.filter(({ isValid }) => !isValid);
  const feedback = failed.map(({ name, feedback: said = `${name} is not satisfied` }) => said).join("; ");
  return {
    step,
    isValid: failed.length === 0,
    score: Math.min(1, ...found.map(({ score }) => score)),
    ...(failed.length > 0 && { feedback }),
    validators: found,
  };
}

/** Throws, unless the step is tolerant. */
function refuse(
  { feedback = "", validators: said }: Verdict,
  { tolerant, retriesInvalid }: Around,
  ctx: AttemptContext,
): void {
  const details = { validators: said };
  if (tolerant === true) return ctx.log.warn(`an output that is not valid is kept: ${feedback}`, details);
  if (retriesInvalid === true) throw new FlujoError("VALIDATION_FAILED", feedback, { details });
  throw new FinalError("VALIDATION_FAILED", feedback, { details });
}

/** Into the draft: it is kept when the attempt succeeds. */
function record(verdict: Verdict, { verdictsTo, feedbackTo }: Around, ctx: AttemptContext): void {
  if (verdictsTo !== undefined) append(ctx, verdictsTo, [verdict]);
  if (feedbackTo === undefined) return;
  const feedback = verdict.validators.filter(({ isValid }) => !isValid).map(({ name, feedback: said = name }) => said);
  if (feedback.length > 0) append(ctx, feedbackTo, feedback);
}

function append(ctx: AttemptContext, field: string, added: readonly unknown[]): void {
  const { context } = ctx;
  if (typeof context !== "object" || context === null || Array.isArray(context))
    throw new FinalError("CONTEXT_INVALID", `expected a context with a field ${field} but found ${typeof context}`);
  const record = context as Record<string, unknown>;
  const list = record[field] ?? [];
  if (!Array.isArray(list))
    throw new FinalError("CONTEXT_INVALID", `expected ${field} to be a list but found ${typeof list}`);
  record[field] = [...(list as readonly unknown[]), ...added];
}
