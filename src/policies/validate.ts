import { FlujoError } from "../domain/errors.ts";
import { issuesText, type Schema, validate as check } from "../domain/schema.ts";
import type { Policy } from "./policy.ts";

/** Checks what reaches a step and what leaves it, when its author gave schemas. A mismatch is not worth a retry of the input. */
export const validate: Policy = (next, { node: { input, output }, purpose }) => {
  if (purpose === "undo" || (input === undefined && output === undefined)) return next;
  return async (attempt) => {
    const given = input === undefined ? attempt.input : await checked(input, attempt.input, "STEP_INPUT_INVALID");
    const result = await next(input === undefined ? attempt : { ...attempt, input: given });
    return output === undefined ? result : checked(output, result, "STEP_OUTPUT_INVALID");
  };
};

async function checked(
  schema: Schema,
  value: unknown,
  code: "STEP_INPUT_INVALID" | "STEP_OUTPUT_INVALID",
): Promise<unknown> {
  const verdict = await check(schema, value);
  if (verdict.ok) return verdict.value;
  const side = code === "STEP_INPUT_INVALID" ? "input" : "output";
  throw new FlujoError(code, `the ${side} does not satisfy the step's schema: ${issuesText(verdict.issues)}`, {
    details: { issues: verdict.issues },
  });
}
