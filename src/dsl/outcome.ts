import type { Failure } from "../domain/failure.ts";
import type { OutputOf, Schema } from "../domain/schema.ts";
import type { SignalNames } from "./lower-wait.ts";
import type { CriticalJoin, Settled } from "./options.ts";
import type { Synchronous, TypeProblem } from "./type-problem.ts";

/** What flows out of a body. `~value` exists for the compiler only. */
export interface Tail<out Value> {
  readonly "~value": Value;
}

/**
 * What a step function may return. A generator emits what it yields and gives what it returns.
 * Promise and not PromiseLike: comparing the two structurally cost 170 instantiations for every asynchronous step.
 */
export type Produced<Out> = Out | Promise<Out> | AsyncGenerator<unknown, Out> | Generator<unknown, Out>;

/** What a parallel gives: a record by branch, but the winner's value under "any". */
export type Joined<Outs, How, Picked> = How extends "any"
  ? Outs[keyof Outs]
  : How extends "all"
    ? Chosen<Outs, Picked>
    : Chosen<{ [Name in keyof Outs]: Settled<Outs[Name]> }, Picked>;

/** Where branches are chosen, each of them may be missing; without `choose` (never) all are there. */
type Chosen<Outs, Picked> = [Picked] extends [never] ? Outs : { [Name in keyof Outs & Picked]?: Outs[Name] };

/** The names of branches that the options of a parallel mention. */
export type Mentioned<How, Picked> = Picked | (How extends CriticalJoin<infer Name> ? Name : never);

/** What a map gives: a list in the order of the items, but the winner's value under "any". */
export type JoinedItems<Out, How> = How extends "any" ? Out : How extends "all" ? Out[] : Settled<Out>[];

/** The element of a list. */
export type ItemOf<List> = List extends Iterable<infer Item> ? Item : never;

/** `Then` for a list, else the sentence that says why it is none. A string is text, not a list of characters. */
export type IfList<Value, Then> = [Value] extends [PromiseLike<unknown>]
  ? TypeProblem<Synchronous>
  : [Value] extends [Iterable<unknown>]
    ? [Value] extends [string]
      ? TypeProblem<NoList>
      : Then
    : TypeProblem<NoList>;
type NoList = "the flowing value is no list: say what to run over, .map(id, (value) => …, body)";

/** What a switch without default gives: the value itself passes where a key has no case. */
export type Switched<Key extends string, Outs, Value> = [Key] extends [keyof Outs]
  ? Outs[keyof Outs]
  : Outs[keyof Outs] | Value;

/** `{ name, data }` for each signal that may arrive first. */
export type Arrived<Signals extends SignalNames> = Signals extends readonly (infer Name extends string)[]
  ? ArrivedByName<{ [N in Name]: null }>
  : ArrivedByName<Signals>;
type ArrivedByName<Signals> = {
  [Name in keyof Signals]: { readonly name: Name; readonly data: DataOf<Signals[Name]> };
}[keyof Signals];

/** The output of a schema; unknown where there is none. */
export type DataOf<S> = [S] extends [never] ? unknown : S extends Schema ? OutputOf<S> : unknown;

/** What the handler of `catch` gets. */
export interface Caught<Input> {
  readonly error: Failure;
  /** What the body was given. */
  readonly input: Input;
}

/** The winner of `callMany(…, { wait: "any" })`. */
export interface First<Out> {
  /** Which of the inputs it was. */
  readonly index: number;
  readonly output: Out;
}
