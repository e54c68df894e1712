import { seal } from "../definition/build.ts";
import type { Definition } from "../definition/definition.ts";
import type { FlowMeta } from "../definition/meta.ts";
import type { Node, SequenceNode } from "../definition/node.ts";
import type { Duration } from "../domain/duration.ts";
import { childPath, type NodePath, type RunId } from "../domain/ids.ts";
import type { StepContext, View } from "./context.ts";
import type { Flow } from "./flow-type.ts";
import { continues, type Link, type Unlinked, unlink } from "./link.ts";
import { type CallParts, lowerCall } from "./lower-call.ts";
import { lowerAttempt, lowerIf, lowerLoop, lowerSwitch } from "./lower-control.ts";
import { type ErasedForkOptions, lowerMap, lowerParallel } from "./lower-fork.ts";
import { lowerStep } from "./lower-step.ts";
import {
  lowerAnySignal,
  lowerHuman,
  lowerSignal,
  lowerSleep,
  lowerSleepUntil,
  type SignalNames,
} from "./lower-wait.ts";
import type {
  CallManyOptions,
  CallOptions,
  HumanOptions,
  Join,
  LoopOptions,
  MapJoin,
  MapOptions,
  ParallelOptions,
  SignalOptions,
  StepOptions,
  WaitOptions,
  WhileOptions,
} from "./options.ts";
import type {
  Absent,
  Arrived,
  Caught,
  First,
  ItemOf,
  Joined,
  JoinedItems,
  Switched,
  Tail,
  UnknownCases,
} from "./outcome.ts";
import type { Erased, ErasedBody, Place } from "./place.ts";
import type { Buildable, Built, InBody } from "./shape.ts";
import type { AtOnce, Settles, TypeProblem } from "./type-problem.ts";

/** The builder that a body is given: it continues with `Value`. A function from a body to a builder is a fragment. */
export type Body<Value, Context = unknown> = Builder<Context, InBody, Value>;

interface State {
  readonly meta: FlowMeta | undefined;
  readonly path: NodePath;
  readonly last: Link | undefined;
}

type LoopBody<Context, Value> = (
  body: Body<Value, Context>,
) => Tail<Value | TypeProblem<"the body of a loop must give back the type it was given">>;

/** A flow under construction. Immutable: every method returns a new builder. */
export class Builder<Context, Shape, Value> {
  /** Exists for the compiler only. */
  declare readonly "~value": Value;
  readonly #state: State;

  constructor(state: State) {
    this.#state = state;
  }

  step<Returned, Out = Returned>(
    id: string,
    run: (
      input: Value,
      ctx: StepContext<Context>,
    ) => Returned | PromiseLike<Returned> | AsyncGenerator<unknown, Returned> | Generator<unknown, Returned>,
    options?: StepOptions<Out, Context>,
  ): Builder<Context, Shape, Out> {
    const place = this.#place(id);
    return this.#extend(place, lowerStep(place, run, options));
  }

  /** Continues with a fragment: a `step(…)` value, or any function from a body to a builder. */
  use<Out>(fragment: (body: Body<Value, Context>) => Tail<Out>): Builder<Context, Shape, Out> {
    const { path, last } = this.#state;
    const end = Builder.#continued(fragment(new Builder({ meta: undefined, path, last })), this.#state);
    if (end !== undefined) return new Builder({ ...this.#state, last: end.last });
    const place = this.#place("use");
    place.problems.push({ path, says: NOT_CONTINUED });
    return this.#extend(
      place,
      lowerStep(place, () => undefined),
    );
  }

  if<Then, Else = Value>(
    id: string,
    when: (value: Value, view: View<Context>) => AtOnce<boolean>,
    then: (body: Body<Value, Context>) => Tail<Then>,
    otherwise?: (body: Body<Value, Context>) => Tail<Else>,
  ): Builder<Context, Shape, Then | Else> {
    const place = this.#place(id);
    return this.#extend(place, lowerIf(place, when, then, otherwise));
  }

  switch<Key extends string, Outs, Default = Absent>(
    id: string,
    select: (value: Value, view: View<Context>) => AtOnce<Key>,
    cases: { readonly [Name in keyof Outs]: (body: Body<Value, Context>) => Tail<Outs[Name]> } & UnknownCases<
      Key,
      Outs
    >,
    options: { readonly default?: (body: Body<Value, Context>) => Tail<Default> } = {},
  ): Builder<Context, Shape, Switched<Key, Outs, Default, Value>> {
    const place = this.#place(id);
    const bodies: Readonly<Record<string, ErasedBody>> = cases;
    return this.#extend(place, lowerSwitch(place, { select, cases: bodies, otherwise: options.default }));
  }

  parallel<Outs, const How extends Join<string> = "all", Picked extends string = never>(
    id: string,
    branches: { readonly [Name in keyof Outs]: (body: Body<Value, Context>) => Tail<Outs[Name]> },
    options?: ParallelOptions<Value, Context, How, Picked>,
  ): Builder<Context, Shape, Joined<Outs, How, Picked>> {
    const place = this.#place(id);
    return this.#extend(place, lowerParallel(place, branches, options));
  }

  map<Item, Out, How extends MapJoin = "all">(
    id: string,
    items: (value: Value, view: View<Context>) => AtOnce<Iterable<Item>>,
    body: (item: Body<Item, Context>) => Tail<Out>,
    options?: MapOptions<Context, How>,
  ): Builder<Context, Shape, JoinedItems<Out, How>>;
  map<Out, How extends MapJoin = "all">(
    id: string,
    body: (item: Body<ItemOf<Value>, Context>) => Tail<Out>,
    options?: MapOptions<Context, How>,
  ): Builder<Context, Shape, JoinedItems<Out, How>>;
  map(
    id: string,
    first: Erased | ErasedBody,
    second?: ErasedBody | ErasedForkOptions,
    third?: ErasedForkOptions,
  ): unknown {
    const place = this.#place(id);
    const node =
      typeof second === "function"
        ? lowerMap(place, second, first, third)
        : lowerMap(place, first as ErasedBody, undefined, second);
    return this.#extend(place, node);
  }

  loop(
    id: string,
    body: LoopBody<Context, Value>,
    options: LoopOptions<Value, Context>,
  ): Builder<Context, Shape, Value> {
    const place = this.#place(id);
    const { until, max } = options;
    return this.#extend(place, lowerLoop(place, { label: "loop", mode: "until", test: until, max, body }));
  }

  while(
    id: string,
    condition: (value: Value, view: View<Context>) => AtOnce<boolean>,
    body: LoopBody<Context, Value>,
    { max }: WhileOptions,
  ): Builder<Context, Shape, Value> {
    const place = this.#place(id);
    return this.#extend(place, lowerLoop(place, { label: "while", mode: "while", test: condition, max, body }));
  }

  times(id: string, count: number, body: LoopBody<Context, Value>): Builder<Context, Shape, Value> {
    const place = this.#place(id);
    return this.#extend(place, lowerLoop(place, { label: "times", mode: "times", max: count, body }));
  }

  sleep(
    id: string,
    duration: Duration | ((value: Value, view: View<Context>) => AtOnce<Duration>),
  ): Builder<Context, Shape, Value> {
    const place = this.#place(id);
    return this.#extend(place, lowerSleep(place, duration));
  }

  sleepUntil(
    id: string,
    at: Date | ((value: Value, view: View<Context>) => AtOnce<Date | number>),
  ): Builder<Context, Shape, Value> {
    const place = this.#place(id);
    return this.#extend(place, lowerSleepUntil(place, at));
  }

  waitForSignal<Data = unknown, Late = never>(
    id: string,
    name: string,
    options?: SignalOptions<Value, Context, Data, Late>,
  ): Builder<Context, Shape, Data | Settles<Late>> {
    const place = this.#place(id);
    return this.#extend(place, lowerSignal(place, name, options));
  }

  waitForAnySignal<const Signals extends SignalNames, Late = never>(
    id: string,
    signals: Signals,
    options?: WaitOptions<Value, Context, Late>,
  ): Builder<Context, Shape, Arrived<Signals> | Settles<Late>> {
    const place = this.#place(id);
    return this.#extend(place, lowerAnySignal(place, signals, options));
  }

  human<Answer = unknown, Late = never>(
    id: string,
    options: HumanOptions<Value, Context, Answer, Late>,
  ): Builder<Context, Shape, Answer | Settles<Late>> {
    const place = this.#place(id);
    return this.#extend(place, lowerHuman(place, options));
  }

  call<Input, Out>(
    id: string,
    flow: Flow<Input, Out>,
    options: CallOptions<Value, Context, Input>,
  ): Builder<Context, Shape, Out>;
  call<Input, Out>(
    id: string,
    flow: Flow<Input, Out> &
      ([Value] extends [Input]
        ? unknown
        : TypeProblem<"the flowing value is not what this flow takes: pass { input: (value) => … }">),
  ): Builder<Context, Shape, Out>;
  call(id: string, flow: Definition, options?: { readonly input: Erased }): unknown {
    return this.#call(id, { label: "call", flow, inputs: options?.input, single: true, wait: "all" });
  }

  callMany<Input, Out, const Wait extends "all" | "any" = "all">(
    id: string,
    flow: Flow<Input, Out>,
    { inputs, wait }: CallManyOptions<Value, Context, Input> & { readonly wait?: Wait },
  ): Builder<Context, Shape, Wait extends "any" ? First<Out> : Out[]> {
    return this.#call(id, { label: "callMany", flow, inputs, single: false, wait: wait ?? "all" });
  }

  background<Input>(
    id: string,
    flow: Flow<Input>,
    options: CallOptions<Value, Context, Input>,
  ): Builder<Context, Shape, RunId> {
    return this.#call(id, { label: "background", flow, inputs: options.input, single: true, wait: "none" });
  }

  backgroundMany<Input>(
    id: string,
    flow: Flow<Input>,
    { inputs }: CallManyOptions<Value, Context, Input>,
  ): Builder<Context, Shape, RunId[]> {
    return this.#call(id, { label: "backgroundMany", flow, inputs, single: false, wait: "none" });
  }

  attempt<Out, Handled = never>(
    id: string,
    body: (body: Body<Value, Context>) => Tail<Out>,
    handling: {
      readonly fallback?: (body: Body<Value, Context>) => Tail<Handled>;
      readonly catch?: (body: Body<Caught<Value>, Context>) => Tail<Handled>;
      readonly compensate?: boolean;
    },
  ): Builder<Context, Shape, Out | Handled> {
    const place = this.#place(id);
    return this.#extend(place, lowerAttempt(place, { body, ...handling }));
  }

  build(this: Buildable<Shape, Value, Builder<Context, Shape, Value>>): Built<Context, Shape, Value> {
    // `this` is this builder, or the sentence that says why there is nothing to build.
    return (this as unknown as Builder<Context, Shape, Value>).#definition() as Built<Context, Shape, Value>;
  }

  #definition(): Definition {
    const { meta, path, last } = this.#state;
    const { nodes, problems, calls } = unlink(last);
    const root: SequenceNode = { kind: "sequence", id: "root", path, label: "flow", children: nodes };
    const inside = meta === undefined ? [{ path, says: "only a whole flow can be built, not a body" }] : [];
    return seal(meta ?? { name: "body", version: "0" }, root, { calls, problems: [...inside, ...problems] });
  }

  #call<Out>(id: string, parts: CallParts): Builder<Context, Shape, Out> {
    const place = this.#place(id);
    return this.#extend(place, lowerCall(place, parts));
  }

  #place(id: string): Place {
    const path = childPath(this.#state.path, id);
    const place: Place = {
      id,
      path,
      problems: [],
      calls: [],
      open: (inner, label, body) => {
        const scope = childPath(path, inner);
        const { nodes, problems, calls } = Builder.#run(scope, body);
        place.problems.push(...problems);
        place.calls.push(...calls);
        return { kind: "sequence", id: inner, path: scope, label, children: nodes };
      },
    };
    return place;
  }

  static #run(path: NodePath, body: ErasedBody): Unlinked {
    const start: State = { meta: undefined, path, last: undefined };
    const end = typeof body === "function" ? body(new Builder(start) as never) : undefined;
    const continued = Builder.#continued(end, start);
    if (continued !== undefined) return unlink(continued.last);
    return { nodes: [], problems: [{ path, says: NOT_CONTINUED }], calls: [] };
  }

  /** The state of what a body returned, if it continues what the body was given. */
  static #continued(end: unknown, start: State): State | undefined {
    if (typeof end !== "object" || end === null || !(#state in end)) return undefined;
    const state = end.#state;
    return state.path === start.path && continues(state.last, start.last) ? state : undefined;
  }

  #extend<Out>({ problems, calls }: Place, node: Node): Builder<Context, Shape, Out> {
    return new Builder({ ...this.#state, last: { before: this.#state.last, node, problems, calls } });
  }
}

const NOT_CONTINUED = "a body is a function that returns the builder it was given, continued: (b) => b.step(…)";
