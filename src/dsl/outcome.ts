import type { Failure } from "../domain/failure.ts";
import type { OutputOf, Schema } from "../domain/schema.ts";
import type { Settled } from "./options.ts";
import type { SignalNames } from "./lower-wait.ts";
import type { TypeProblem } from "./type-problem.ts";

/** What flows out of a body. `~value` exists for the compiler only. */
export interface Tail<out Value> {
  readonly "~value": Value;
}

/** What a construct gives depends on how it was configured; these types say how. All are evaluated once per construct. */

/** The element of a list that flows; a sentence when there is none. */
export type ItemOf<Value> = Value extends Iterable<infer Item> ? (Value extends string ? NoItems : Item) : NoItems;
type NoItems =
  TypeProblem<"the flowing value is no list: say what to run over, .map(id, (value) => value.items, body)">;

/** The output of a parallel: a record by branch, but the winner's value under "any". */
export type Joined<Outs, How, Picked> = [Picked] extends [keyof Outs]
  ? How extends "any"
    ? Outs[keyof Outs]
    : How extends "all"
      ? Chosen<Outs, Picked>
      : How extends { readonly critical: readonly (infer Name)[] }
        ? [Name] extends [keyof Outs]
          ? Chosen<AllSettled<Outs>, Picked>
          : TypeProblem<"join.critical names a branch that does not exist">
        : Chosen<AllSettled<Outs>, Picked>
  : TypeProblem<"choose names a branch that does not exist">;

type AllSettled<Outs> = { [Name in keyof Outs]: Settled<Outs[Name]> };

/** Where branches are chosen, each of them may be missing; without `choose` (never) all are there. */
type Chosen<Outs, Picked> = [Picked] extends [never] ? Outs : { [Name in keyof Outs & Picked]?: Outs[Name] };

/** The output of a map: a list in the order of the items, but the winner's value under "any". */
export type JoinedItems<Out, Join> = Join extends "any" ? Out : Join extends "all" ? Out[] : Settled<Out>[];

/** A switch gives what its cases give, the default, and the value itself where a key may have no case. */
export type Switched<Key extends string, Outs, Default, Value> = [Default] extends [Absent]
  ? [Key] extends [keyof Outs]
    ? Outs[keyof Outs]
    : Outs[keyof Outs] | Value
  : Outs[keyof Outs] | Default;

/** Stands for "this option was not given". */
export interface Absent {
  readonly "~absent": never;
}

export type UnknownCases<Key extends string, Outs> = [keyof Outs] extends [Key]
  ? unknown
  : { readonly [Name in Exclude<keyof Outs, Key>]: TypeProblem<"the selector never gives this case"> };

/** `{ name, data }` for each signal that may arrive first. */
export type Arrived<Signals extends SignalNames> = Signals extends readonly (infer Name)[]
  ? Name extends string
    ? { readonly name: Name; readonly data: unknown }
    : never
  : {
      [Name in keyof Signals & string]: { readonly name: Name; readonly data: DataOf<Signals[Name & keyof Signals]> };
    }[keyof Signals & string];

type DataOf<S> = S extends Schema ? OutputOf<S> : unknown;

/** What a `catch` gets. */
export interface Caught<Input> {
  readonly error: Failure;
  readonly input: Input;
}

/** The winner of `callMany(…, { wait: "any" })`. */
export interface First<Out> {
  readonly index: number;
  readonly output: Out;
}
