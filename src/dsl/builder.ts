import { seal } from "../definition/build.ts";
import type { Definition } from "../definition/definition.ts";
import type { Node, SequenceNode } from "../definition/node.ts";
import type { Duration } from "../domain/duration.ts";
import type { RunId } from "../domain/ids.ts";
import type { Schema } from "../domain/schema.ts";
import type { AttemptHandling, Cases, LoopBody, NoInput } from "./bodies.ts";
import { type Chain, continues, extended, NOT_CONTINUED, placeIn, unlink } from "./chain.ts";
import type { StepContext, View } from "./context.ts";
import type { Flow } from "./flow-type.ts";
import { type CallParts, lowerCall } from "./lower-call.ts";
import { lowerAttempt, lowerIf, lowerLoop, lowerSwitch } from "./lower-control.ts";
import { type ErasedForkOptions, lowerMap, lowerParallel } from "./lower-fork.ts";
import { type ErasedStepOptions, lowerStep, lowerTransaction } from "./lower-step.ts";
import {
  lowerAnySignal,
  lowerHuman,
  lowerSignal,
  lowerSleep,
  lowerSleepUntil,
  type SignalNames,
} from "./lower-wait.ts";
import type {
  BackgroundStepOptions,
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
  StepOutput,
  WaitOptions,
  WhileOptions,
} from "./options.ts";
import type {
  Arrived,
  DataOf,
  First,
  IfList,
  ItemOf,
  Joined,
  JoinedItems,
  Mentioned,
  Produced,
  Switched,
  Tail,
} from "./outcome.ts";
import { type ErasedAgentUse, lowerAgent } from "./lower-agent.ts";
import type { AgentUse, BackgroundAgent, Lowerable } from "./lowerable.ts";
import type { Erased, ErasedBody, Place } from "./place.ts";
import type { Buildable, Built, InBody } from "./shape.ts";
import type { Settles, Synchronous, TypeProblem } from "./type-problem.ts";

/** The builder that a body is given: `Value` flows in. */
export type Body<Value, Context = unknown> = Builder<Context, InBody, Value>;

/** A piece of a flow: continues the builder it is given. The bodies of all constructs are fragments. */
export type Fragment<Value, Out, Context = unknown> = (body: Body<Value, Context>) => Tail<Out>;

/**
 * A flow under construction. Immutable: every method returns a new builder and leaves this one as it was.
 *
 * The first argument is the id of the construct, unique among its siblings (1 to 128 characters `A-Za-z0-9._:-`); ids make
 * the path by which runs remember it: `root/enrich/geo`. What is wrong is collected and reported by `build`, all at once.
 * Source: Fluxo §4, builder API.
 */
export class Builder<out Context, in out Shape, out Value> {
  /** Exists for the compiler only. */
  declare readonly "~value": Value;
  readonly #chain: Chain;

  constructor(chain: Chain) {
    this.#chain = chain;
  }

  /**
   * Runs a function, at least once, and records what it returns. A generator emits what it yields.
   * Default: one attempt, no timeout. Fails with STEP_FAILED, STEP_TIMEOUT, STEP_INPUT_INVALID or STEP_OUTPUT_INVALID.
   * With `executionMode: "background"` it is launched, and the value that came to it flows on.
   */
  step<Returned, Output extends Schema = never>(
    id: string,
    run: (input: Value, ctx: StepContext<Context>) => Produced<Returned>,
    options: BackgroundStepOptions<Output, Context, Value>,
  ): Builder<Context, Shape, Value>;
  step<Returned, Output extends Schema = never>(
    id: string,
    run: (input: Value, ctx: StepContext<Context>) => Produced<Returned>,
    options?: StepOptions<Returned, Output, Context, Value>,
  ): Builder<Context, Shape, StepOutput<Returned, Output>>;
  step(id: string, run: Erased, options?: ErasedStepOptions): unknown {
    const place = this.#place(id);
    return this.#extend(place, lowerStep(place, run, options));
  }

  /**
   * A step inside a transaction of the store: what it writes through `tx` and its completion are committed together, so that
   * its effect happens exactly once. Say what `tx` is where you name it: `async (tx: PoolClient, input) => …`.
   * A failed attempt is rolled back, then retried like any other. The step holds a connection of the store as long as it runs;
   * it must not commit or roll back itself. Only on SQLite and Postgres: elsewhere the flow is refused with
   * TRANSACTIONS_UNSUPPORTED when it is registered.
   */
  transaction<Returned, Tx = unknown, Output extends Schema = never>(
    id: string,
    run: (tx: Tx, input: Value, ctx: StepContext<Context>) => Produced<Returned>,
    options?: StepOptions<Returned, Output, Context, Value>,
  ): Builder<Context, Shape, StepOutput<Returned, Output>> {
    const place = this.#place(id);
    return this.#extend(place, lowerTransaction(place, run, options));
  }

  /** Continues with a fragment: a `step(…)` value, or any function from a body to a builder. */
  use<Out>(fragment: Fragment<Value, Out, Context>): Builder<Context, Shape, Out> {
    const inside: Chain = { ...this.#chain, whole: false };
    const end = Builder.#run(fragment, inside);
    if (end !== undefined) return new Builder({ ...end, whole: this.#chain.whole });
    const place = this.#place("use");
    place.problems.push({ path: place.path, says: NOT_CONTINUED });
    return this.#extend(place, { kind: "sequence", id: place.id, path: place.path, label: "use", children: [] });
  }

  /**
   * Runs `then` or `otherwise`; without `otherwise` the value passes through. Decided once and recorded.
   * `when` is synchronous and pure; when it throws, the node fails with PREDICATE_FAILED. Source: Fluxo §5.2.
   */
  if<Then>(
    id: string,
    when: (value: Value, view: View<Context>) => boolean | TypeProblem<Synchronous>,
    then: Fragment<Value, Then, Context>,
  ): Builder<Context, Shape, Then | Value>;
  if<Then, Else>(
    id: string,
    when: (value: Value, view: View<Context>) => boolean | TypeProblem<Synchronous>,
    then: Fragment<Value, Then, Context>,
    otherwise: Fragment<Value, Else, Context>,
  ): Builder<Context, Shape, Then | Else>;
  if(id: string, when: Erased, then: ErasedBody, otherwise?: ErasedBody): unknown {
    const place = this.#place(id);
    return this.#extend(place, lowerIf(place, when, then, otherwise));
  }

  /**
   * Runs the case that `select` names, else `default`, else passes the value through. Decided once and recorded.
   * Where the selector gives literals, a case that it never gives is a type error. Source: Fluxo §5.3.
   */
  switch<Key extends string, Outs>(
    id: string,
    select: (value: Value, view: View<Context>) => Key | TypeProblem<Synchronous>,
    cases: Cases<Key, Outs, Value, Context>,
  ): Builder<Context, Shape, Switched<Key, Outs, Value>>;
  switch<Key extends string, Outs, Default>(
    id: string,
    select: (value: Value, view: View<Context>) => Key | TypeProblem<Synchronous>,
    cases: Cases<Key, Outs, Value, Context>,
    options: { readonly default: Fragment<Value, Default, Context> },
  ): Builder<Context, Shape, Outs[keyof Outs] | Default>;
  switch(
    id: string,
    select: Erased,
    cases: Readonly<Record<string, ErasedBody>>,
    options?: { readonly default: ErasedBody },
  ): unknown {
    const place = this.#place(id);
    return this.#extend(place, lowerSwitch(place, { select, cases, otherwise: options?.default }));
  }

  /**
   * Runs branches at the same time, each with the same value and its own copy of the context. Gives a record by branch
   * (under the join "any" the winner's value; under joins that tolerate failures, `Settled` records).
   * Fails with JOIN_FAILED, CONTEXT_CONFLICT or the failure of a branch. Source: Fluxo §5.5; Flujo, ParallelStep.
   */
  parallel<Outs, const How extends Join = "all", Picked extends string = never>(
    id: string,
    branches: { readonly [Name in keyof Outs]: Fragment<Value, Outs[Name], Context> },
    options?: ParallelOptions<Value, Context, How, Picked>,
  ): [Mentioned<How, Picked>] extends [keyof Outs]
    ? Builder<Context, Shape, Joined<Outs, How, Picked>>
    : TypeProblem<"join.critical or choose names a branch that does not exist">;
  parallel(id: string, branches: Readonly<Record<string, ErasedBody>>, options?: ErasedForkOptions): unknown {
    const place = this.#place(id);
    return this.#extend(place, lowerParallel(place, branches, options));
  }

  /**
   * Runs a body for each item, at most `concurrency` (10) at a time; outputs keep the order of the items.
   * The items are the flowing list, or what the function before the body says. Fails with ITEMS_INVALID when that is no
   * iterable, else as `parallel` does. Source: Fluxo §5.6; Flujo, MapStep.
   */
  map<List, Out, How extends MapJoin = "all">(
    id: string,
    items: (value: Value, view: View<Context>) => List,
    body: Fragment<ItemOf<List>, Out, Context>,
    options?: MapOptions<Context, How>,
  ): IfList<List, Builder<Context, Shape, JoinedItems<Out, How>>>;
  map<Out, How extends MapJoin = "all">(
    id: string,
    body: Fragment<ItemOf<Value>, Out, Context>,
    options?: MapOptions<Context, How>,
  ): IfList<Value, Builder<Context, Shape, JoinedItems<Out, How>>>;
  map(
    id: string,
    first: Erased | ErasedBody,
    second?: ErasedBody | ErasedForkOptions,
    third?: ErasedForkOptions,
  ): unknown {
    const place = this.#place(id);
    if (typeof second === "function") return this.#extend(place, lowerMap(place, second, first, third));
    return this.#extend(place, lowerMap(place, first as ErasedBody, undefined, second));
  }

  /** Repeats the body, at least once, until `until` holds. Fails with LOOP_LIMIT after `max` iterations. */
  loop(
    id: string,
    body: LoopBody<Value, Context>,
    { until, max }: LoopOptions<Value, Context>,
  ): Builder<Context, Shape, Value> {
    const place = this.#place(id);
    return this.#extend(place, lowerLoop(place, { label: "loop", mode: "until", test: until, max, body }));
  }

  /** Repeats the body while `condition` holds, maybe never. Fails with LOOP_LIMIT after `max` iterations. Source: Fluxo §5.4. */
  while(
    id: string,
    condition: (value: Value, view: View<Context>) => boolean | TypeProblem<Synchronous>,
    body: LoopBody<Value, Context>,
    { max }: WhileOptions,
  ): Builder<Context, Shape, Value> {
    const place = this.#place(id);
    return this.#extend(place, lowerLoop(place, { label: "while", mode: "while", test: condition, max, body }));
  }

  /** Repeats the body `count` times, at most 1,000,000; 0 passes the value through. Source: Fluxo §5.4. */
  times(id: string, count: number, body: LoopBody<Value, Context>): Builder<Context, Shape, Value> {
    const place = this.#place(id);
    return this.#extend(place, lowerLoop(place, { label: "times", mode: "times", max: count, body }));
  }

  /** Waits durably, then passes the value through. The end is fixed when the sleep begins. Source: Fluxo §5.8. */
  sleep(
    id: string,
    duration: Duration | ((value: Value, view: View<Context>) => Duration | TypeProblem<Synchronous>),
  ): Builder<Context, Shape, Value> {
    const place = this.#place(id);
    return this.#extend(place, lowerSleep(place, duration));
  }

  /** Waits durably until an instant (a Date or milliseconds since the epoch); one that has passed is no wait. */
  sleepUntil(
    id: string,
    at: Date | ((value: Value, view: View<Context>) => Date | number | TypeProblem<Synchronous>),
  ): Builder<Context, Shape, Value> {
    const place = this.#place(id);
    return this.#extend(place, lowerSleepUntil(place, at));
  }

  /**
   * Waits for a signal and gives its data. Signals that came before the wait are kept and taken in order of arrival.
   * Fails with DEADLINE_EXCEEDED when the deadline passes and there is no `onTimeout`. Source: Fluxo §5.7.
   */
  waitForSignal<Data extends Schema = never, Late = never>(
    id: string,
    name: string,
    options?: SignalOptions<Value, Context, Data, Late>,
  ): Builder<Context, Shape, DataOf<Data> | Settles<Late>> {
    const place = this.#place(id);
    return this.#extend(place, lowerSignal(place, name, options));
  }

  /** Waits for the first of several signals and gives `{ name, data }`. `null` instead of a schema takes any data. */
  waitForAnySignal<const Signals extends SignalNames, Late = never>(
    id: string,
    signals: Signals,
    options?: WaitOptions<Value, Context, Late>,
  ): Builder<Context, Shape, Arrived<Signals> | Settles<Late>> {
    const place = this.#place(id);
    return this.#extend(place, lowerAnySignal(place, signals, options));
  }

  /** Asks a human, pauses the run and gives the answer. An unanswered question is never a yes. Source: Flujo, HITL. */
  human<Answer extends Schema = never, Late = never>(
    id: string,
    options: HumanOptions<Value, Context, Answer, Late>,
  ): Builder<Context, Shape, DataOf<Answer> | Settles<Late>> {
    const place = this.#place(id);
    return this.#extend(place, lowerHuman(place, options));
  }

  /** Runs another flow as a child run and gives its output. Fails with CHILD_FAILED. Source: Fluxo §5.9. */
  call<Input, Out>(
    id: string,
    flow: Flow<Input, Out>,
    options: CallOptions<Value, Context, Input>,
  ): Builder<Context, Shape, Out>;
  call<Input, Out>(
    id: string,
    flow: Flow<Input, Out> & ([Value] extends [Input] ? unknown : TypeProblem<NoInput>),
  ): Builder<Context, Shape, Out>;
  call(id: string, flow: Definition, options?: { readonly input: Erased }): unknown {
    return this.#call(id, { label: "call", flow, inputs: options?.input, single: true, wait: "all" });
  }

  /**
   * Runs another flow once for each input. Gives all outputs in order, or with `wait: "any"` the first, `{ index, output }`:
   * without inputs there is no first, and it fails with JOIN_FAILED.
   */
  callMany<Input, Out, Wait extends "all" | "any" = "all">(
    id: string,
    flow: Flow<Input, Out>,
    { inputs, wait }: CallManyOptions<Value, Context, Input> & { readonly wait?: Wait },
  ): Builder<Context, Shape, Wait extends "any" ? First<Out> : Out[]> {
    return this.#call(id, { label: "callMany", flow, inputs, single: false, wait: wait ?? "all" });
  }

  /** Starts another flow, does not wait, and gives the id of the child run. Its end is its own. Source: Flujo, background. */
  background<Input>(
    id: string,
    flow: Flow<Input>,
    { input }: CallOptions<Value, Context, Input>,
  ): Builder<Context, Shape, RunId> {
    return this.#call(id, { label: "background", flow, inputs: input, single: true, wait: "none" });
  }

  /** Starts another flow once for each input, does not wait, and gives the ids in order. */
  backgroundMany<Input>(
    id: string,
    flow: Flow<Input>,
    { inputs }: CallManyOptions<Value, Context, Input>,
  ): Builder<Context, Shape, RunId[]> {
    return this.#call(id, { label: "backgroundMany", flow, inputs, single: false, wait: "none" });
  }

  /**
   * Runs an agent (see `agent`): a model, its instructions and its tools, until it has an answer. With `granular` every turn and
   * every tool call is a step of its own: recorded once, never repeated, wherever the process dies. Source: Flujo, GranularStep.
   */
  agent<Out>(
    id: string,
    agent: Lowerable<Value, Out>,
    options: BackgroundAgent<Value, Context>,
  ): Builder<Context, Shape, Value>;
  agent<Out>(
    id: string,
    agent: Lowerable<Value, Out>,
    options?: AgentUse<Value, Out, Context>,
  ): Builder<Context, Shape, Out>;
  agent(id: string, agent: Lowerable<Value, unknown>, options: ErasedAgentUse = {}): unknown {
    const place = this.#place(id);
    return this.#extend(place, lowerAgent(place, agent, options));
  }

  /** Runs a body and handles its failure: compensates, then continues with `fallback` or `catch`, else fails on. */
  attempt<Out, Handled = never>(
    id: string,
    body: Fragment<Value, Out, Context>,
    handling: AttemptHandling<Value, Context, Handled>,
  ): Builder<Context, Shape, Out | Handled> {
    const place = this.#place(id);
    return this.#extend(place, lowerAttempt(place, { ...handling, body }));
  }

  /** Checks, freezes and identifies the flow. Throws DEFINITION_INVALID with every problem and its path. */
  build(this: Buildable<Shape, Value, Builder<Context, Shape, Value>>): Built<Context, Shape, Value> {
    // `this` is this builder, or the sentence that says why there is nothing to build.
    return (this as unknown as Builder<Context, Shape, Value>).#definition() as Built<Context, Shape, Value>;
  }

  #definition(): Definition {
    const { flow, whole, path } = this.#chain;
    const { nodes, problems, calls } = unlink(this.#chain);
    const root: SequenceNode = { kind: "sequence", id: "root", path, label: "flow", children: nodes };
    const inside = whole ? [] : [{ path, says: "only a whole flow can be built, not a body" }];
    return seal(flow, root, { calls, problems: [...inside, ...problems] });
  }

  #call<Out>(id: string, parts: CallParts): Builder<Context, Shape, Out> {
    const place = this.#place(id);
    return this.#extend(place, lowerCall(place, parts));
  }

  #place(id: string): Place {
    return placeIn(this.#chain, id, Builder.#run);
  }

  #extend<Out>(place: Place, node: Node): Builder<Context, Shape, Out> {
    return new Builder(extended(this.#chain, place, node));
  }

  /** What a body made of a chain, if it continued it. */
  static #run(this: void, body: ErasedBody, start: Chain): Chain | undefined {
    const end = typeof body === "function" ? body(new Builder(start) as never) : undefined;
    if (typeof end !== "object" || end === null || !(#chain in end)) return undefined;
    return continues(end.#chain, start) ? end.#chain : undefined;
  }
}
