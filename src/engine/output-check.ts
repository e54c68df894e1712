import { failure, failureFrom } from "../domain/failure.ts";
import { issuesText, validate } from "../domain/schema.ts";
import { decode, encode, type Wire } from "../domain/wire.ts";
import type { Definition } from "../definition/definition.ts";
import type { Happened } from "../planner/planning.ts";

/** What the flow's output schema says to the last value, for the planner. */
export async function checkedOutput({ output }: Pick<Definition, "output">, value: Wire): Promise<Happened> {
  if (output === undefined) return { type: "checked", output: value };
  try {
    const checked = await validate(output, decode(value));
    if (checked.ok) return { type: "checked", output: encode(checked.value) };
    const why = `the output does not satisfy the flow's schema: ${issuesText(checked.issues)}`;
    return { type: "refused", failure: failure("OUTPUT_INVALID", why, { details: { issues: checked.issues } }) };
  } catch (thrown) {
    return { type: "refused", failure: failureFrom(thrown, "OUTPUT_INVALID") };
  }
}
