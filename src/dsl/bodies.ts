import type { Fragment } from "./builder.ts";
import type { Caught } from "./outcome.ts";
import type { TypeProblem } from "./type-problem.ts";

/** The bodies that constructs of the builder take, as types. */

export type LoopBody<Value, Context> = Fragment<
  Value,
  Value | TypeProblem<"the body of a loop must give back the type it was given">,
  Context
>;

/** `fallback` continues with what the body was given, `catch` with that and the failure: at most one of them. */
export interface AttemptHandling<Value, Context, Handled> {
  readonly fallback?: Fragment<Value, Handled, Context>;
  readonly catch?: Fragment<Caught<Value>, Handled, Context>;
  /** Undo the finished steps of the body that have a `compensate`, newest first, before handling. Default false. */
  readonly compensate?: boolean;
}

export type Cases<Key extends string, Outs, Value, Context> = {
  readonly [Name in keyof Outs]: Fragment<Value, Outs[Name], Context>;
} & ([keyof Outs] extends [Key] ? unknown : { readonly [Name in Exclude<keyof Outs, Key>]: TypeProblem<NoSuchCase> });
type NoSuchCase = "the selector never gives this case";

export type NoInput = "the flowing value is not what this flow takes: pass { input: (value) => … }";
