import type { Around, Caching, Named, Plugin as LoweredPlugin, Processors } from "../definition/around.ts";
import type { Pure } from "../definition/node.ts";
import { durationMs } from "../domain/duration.ts";
import { sha256 } from "../domain/sha256.ts";
import type { Wire } from "../domain/wire.ts";
import type { AroundOptions, CacheOptions, Plugin, ProcessorOptions, Validator } from "./around.ts";
import { orProblem, type Place } from "./place.ts";

/** AroundOptions without their types. */
export type ErasedAround = AroundOptions<never, never, never>;

const DEFAULT_TTL = "1 hour";

/**
 * What stands around a step, in the definition's words; undefined where nothing does. `identity` says who the step is for a cache.
 * Objects of the author are wrapped, not kept: a definition is frozen, and they are theirs.
 */
export function lowerAround(place: Place, options: ErasedAround, identity: () => Wire): { readonly around?: Around } {
  const { cache, processors, plugins, validators, invariants, failureHandlers, onInvalid, strict } = options;
  const { persistValidationTo: verdictsTo, persistFeedbackTo: feedbackTo } = options;
  if (onInvalid !== undefined && onInvalid !== "fail" && onInvalid !== "retry")
    place.problems.push({
      path: place.path,
      says: `onInvalid: expected "fail" or "retry" but found ${String(onInvalid)}`,
    });
  const around: Around = {
    ...(cache !== undefined && {
      cache: lowerCache(place, cache === true ? {} : cache, () => [identity(), codesOf(processors)]),
    }),
    ...(processors && { processors: lowerProcessors(processors) }),
    ...(plugins && plugins.length > 0 && { plugins: byPriority(plugins) }),
    ...(validators && validators.length > 0 && { validators: validators.map(lowerValidator) }),
    ...(onInvalid === "retry" && { retriesInvalid: true }),
    ...(strict === false && { tolerant: true }),
    ...(verdictsTo !== undefined && { verdictsTo }),
    ...(feedbackTo !== undefined && { feedbackTo }),
    ...lowerInvariants(invariants),
    ...(failureHandlers && failureHandlers.length > 0 && { failureHandlers: named("handler", failureHandlers) }),
  };
  return Object.keys(around).length === 0 ? {} : { around };
}

type AnyFunction = (...given: never[]) => unknown;
type Asked<Ask> = readonly Named<Ask>[];

/** Functions by their own names, or by their number. The casts are where authors' types end, as in `pure`. */
const named = <Ask>(kind: string, all: readonly AnyFunction[]): Asked<Ask> =>
  all.map((ask, i) => ({
    name: typeof ask !== "function" || ask.name === "" ? `${kind} ${i + 1}` : ask.name,
    ask: ask as Ask,
  }));

export const lowerProcessors = ({ prompt = [], output = [] }: ProcessorOptions<never>): Processors => ({
  prompt: named("processor", prompt),
  output: named("processor", output),
});

export function lowerInvariants(invariants: readonly AnyFunction[] = []): {
  readonly invariants?: Asked<Pure<unknown>>;
} {
  return invariants.length === 0 ? {} : { invariants: named("invariant", invariants) };
}

function lowerValidator(
  validator: Validator<never, never>,
  i: number,
): Named<(output: unknown, ctx: never) => unknown> {
  const { name = `validator ${i + 1}` } = validator;
  return { name, ask: (output, ctx) => validator.validate(output as never, ctx) };
}

const byPriority = (plugins: readonly Plugin<never, never, never>[]): readonly LoweredPlugin[] =>
  [...plugins]
    .sort((a, b) => (b.priority ?? 0) - (a.priority ?? 0))
    .map((plugin) => ({ name: plugin.name, ask: (output, ctx) => plugin.validate(output as never, ctx) }));

/** Other processors make another result. */
const codesOf = ({ prompt = [], output = [] }: ProcessorOptions<never> = {}): Wire =>
  [...prompt, ...output].map((one) => sha256(String(one)));

function lowerCache(place: Place, options: CacheOptions<never, never>, identity: () => Wire): Caching {
  const { ttl = DEFAULT_TTL, key, context, scope = "memory", version, name } = options;
  return {
    identity: name === undefined ? identity() : { name },
    version,
    key: key as Pure<unknown> | undefined,
    context: context ?? "all",
    scope,
    ttlMs: orProblem(place, 1, () => durationMs(ttl, "cache.ttl")),
  };
}
