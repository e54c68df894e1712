import type { Body } from "./builder.ts";
import type { StepContext } from "./context.ts";
import type { StepOptions } from "./options.ts";
import type { Tail } from "./outcome.ts";

/** A piece of a flow that can be used in many: a function from a body to a builder. */
export type Fragment<Value, Out, Context = unknown> = (body: Body<Value, Context>) => Tail<Out>;

/** A step as a value, to be used in any flow: `.use(fetchPage)`, or as a branch: `{ page: fetchPage }`. */
export function step<Value, Returned, Out = Returned, Context = unknown>(
  id: string,
  run: (
    input: Value,
    ctx: StepContext<Context>,
  ) => Returned | PromiseLike<Returned> | AsyncGenerator<unknown, Returned> | Generator<unknown, Returned>,
  options?: StepOptions<Out, Context>,
): Fragment<Value, Out, Context> {
  return (body) => body.step<Returned, Out>(id, run, options);
}
