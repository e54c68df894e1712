import type { Node, StepConfig, StepFunction, StepNode } from "../definition/node.ts";
import { durationMs } from "../domain/duration.ts";
import type { Schema } from "../domain/schema.ts";
import { sha256 } from "../domain/sha256.ts";
import type { Wire } from "../domain/wire.ts";
import { ONE_ATTEMPT, type RetryPolicy, retryPolicy } from "../domain/retry.ts";
import type { StepContext } from "./context.ts";
import { type ErasedAround, lowerAround } from "./lower-around.ts";
import { inMode } from "./lower-background.ts";
import { type ErasedStep, type FallbackParts, lowerFallback } from "./lower-fallback.ts";
import type { AttemptOptions, Compensation, StepOptions } from "./options.ts";
import { type Erased, orProblem, type Place, pure } from "./place.ts";

const stepFunction = (run: ErasedStep): StepFunction => run as StepFunction;

/** StepOptions without their types. */
export interface ErasedStepOptions
  extends Omit<
      StepOptions<unknown, Schema, unknown>,
      "compensate" | "key" | "executionMode" | "fallback" | keyof ErasedAround
    >,
    ErasedAround {
  readonly executionMode?: "sync" | "background";
  readonly compensate?: Compensation<never, never>;
  readonly key?: Erased;
  readonly fallback?: FallbackParts["fallback"];
}

export function lowerStep(place: Place, run: ErasedStep, options: ErasedStepOptions = {}): Node {
  if (options.executionMode === "background" && options.compensate !== undefined)
    place.problems.push({
      path: place.path,
      says: "a step in the background cannot be compensated: nobody waits for it",
    });
  return inMode(place, options.executionMode, (at) =>
    withFallback(at, { run, options, lower: (own) => stepNode(own, run, options) }),
  );
}

/** What the output has to be holds for who takes the place of the step. */
const withFallback = (
  place: Place,
  { run, options: { fallback, output }, lower }: Pick<FallbackParts, "lower"> & Fallible,
): Node =>
  lowerFallback(place, {
    fallback,
    primary: run,
    lower,
    lowerFunction: (at, other) => stepNode(at, other, output === undefined ? {} : { output }),
  });

interface Fallible {
  readonly run: unknown;
  readonly options: ErasedStepOptions;
}

function stepNode(place: Place, run: ErasedStep, options: ErasedStepOptions): StepNode {
  const { queue, priority, key, input, output, compensate } = options;
  const config: StepConfig = {
    ...attemptConfig(place, options),
    ...(queue !== undefined && { queue }),
    ...(priority !== undefined && { priority }),
    ...(key !== undefined && { key: pure<string>(key) }),
  };
  return {
    kind: "step",
    id: place.id,
    path: place.path,
    label: "step",
    run: typeof run === "function" ? finishing(stepFunction(run)) : run,
    config,
    ...(input && { input }),
    ...(output && { output }),
    ...lowerAround(place, options, () => identityOf(place, run)),
    ...(compensate && { compensate: lowerCompensation(place, compensate) }),
  };
}

/** In any flow: what has another text is other work, and what it was given is in the key. */
const identityOf = ({ id }: Place, run: ErasedStep): Wire => ({ id, code: sha256(String(run)) });

type ErasedTransaction = (tx: never, input: never, ctx: never) => unknown;

/** The worker's context carries the handle; the author gets it as an argument, since only these steps have one. */
export function lowerTransaction(place: Place, run: ErasedTransaction, options: ErasedStepOptions = {}): Node {
  const call = run as (tx: unknown, input: unknown, ctx: unknown) => unknown;
  const inside = (input: never, ctx: { readonly tx: unknown }): unknown => call(ctx.tx, input, ctx);
  const lower = (at: Place): StepNode => {
    const node = stepNode(at, typeof run === "function" ? inside : run, options);
    return { ...node, label: "transaction", config: { ...node.config, transactional: true } };
  };
  return withFallback(place, { run, options, lower });
}

function lowerCompensation(
  place: Place,
  compensate: NonNullable<ErasedStepOptions["compensate"]>,
): NonNullable<StepNode["compensate"]> {
  if (typeof compensate === "function") return { run: stepFunction(compensate), config: { retry: ONE_ATTEMPT } };
  return { run: stepFunction(compensate.run), config: attemptConfig(place, compensate) };
}

function attemptConfig(place: Place, { retry, timeout }: AttemptOptions): StepConfig {
  const policy = (): RetryPolicy => {
    if (retry === undefined) return ONE_ATTEMPT;
    return retryPolicy(typeof retry === "number" ? { attempts: retry } : retry);
  };
  return {
    retry: orProblem(place, ONE_ATTEMPT, policy),
    ...(timeout !== undefined && { timeoutMs: orProblem(place, 1, () => durationMs(timeout, "timeout")) }),
  };
}

type AnyGenerator = Generator<unknown, unknown, undefined> | AsyncGenerator<unknown, unknown, undefined>;

/** A step that is a generator emits what it yields; what it returns is its output. */
function finishing(run: StepFunction): StepFunction {
  return (input, ctx) => {
    const result = run(input, ctx);
    return isGenerator(result) ? drain(result, ctx) : result;
  };
}

function isGenerator(result: unknown): result is AnyGenerator {
  if (typeof result !== "object" || result === null || !("next" in result) || typeof result.next !== "function")
    return false;
  return Symbol.asyncIterator in result || Symbol.iterator in result;
}

async function drain(generator: AnyGenerator, ctx: Pick<StepContext, "emit" | "signal">): Promise<unknown> {
  for (;;) {
    const { done, value } = await generator.next();
    if (done === true) return value;
    ctx.emit(value);
    if (ctx.signal.aborted) {
      await generator.return(undefined); // its finally blocks release what it holds
      throw ctx.signal.reason;
    }
  }
}
