import type { Schema } from "../domain/schema.ts";
import type { Fragment } from "./builder.ts";
import type { StepContext } from "./context.ts";
import type { StepOptions, StepOutput } from "./options.ts";
import type { Produced } from "./outcome.ts";

/**
 * A step as a value, for use in any flow: `.use(fetchPage)`, or as a body: `.parallel("read", { page: fetchPage })`.
 * Larger pieces need no function of ours: any `(b: Body<string>) => b.step(…).step(…)` is a fragment.
 */
export function step<Value, Returned, Output extends Schema = never, Context = unknown>(
  id: string,
  run: (input: Value, ctx: StepContext<Context>) => Produced<Returned>,
  options?: StepOptions<Returned, Output, Context, Value>,
): Fragment<Value, StepOutput<Returned, Output>, Context> {
  return (body) => body.step(id, run, options);
}
