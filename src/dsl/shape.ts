import type { Flow } from "./flow-type.ts";
import type { TypeProblem } from "./type-problem.ts";

/** What a flow takes and must give, carried through the chain in one type parameter. */
export interface FlowShape<Input, Wanted, Output> {
  readonly input: Input;
  /** What the last value must be: the input side of the output schema. */
  readonly wanted: Wanted;
  /** What callers get; `Last` stands for the last value. */
  readonly output: Output;
}

/** Stands for "the last value", when a flow has no output schema. */
export interface Last {
  readonly "~last": never;
}

/** Marks a builder inside a body: it has nothing to build. */
export interface InBody {
  readonly "~body": never;
}

/** The `this` of build: a sentence where there is nothing to build. */
export type Buildable<Shape, Value, Itself> =
  Shape extends FlowShape<infer _In, infer Wanted, infer _Out>
    ? [Value] extends [Wanted]
      ? Itself
      : TypeProblem<"the last value is not what the output schema takes">
    : TypeProblem<"only a whole flow can be built, not a body">;

export type Built<Context, Shape, Value> =
  Shape extends FlowShape<infer Input, infer _Wanted, infer Output>
    ? Flow<Input, Output extends Last ? Value : Output, Context>
    : never;
