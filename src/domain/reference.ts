import type { Wire } from "./wire.ts";

/**
 * Where a value is that is too large, or too much somebody else's, for the history of a run: a provider's name and the key there.
 * Plain data: it stands anywhere in a context, an input or an output, and only it is stored with the run. An object is a reference
 * when it has exactly the two keys `$reference` and `key`, both text.
 *
 *   .context(z.object({ document: z.custom<ContextReference<Uint8Array>>(isReference) }))
 *
 * Source: Flujo, ContextReference.
 */
export interface ContextReference<T = unknown> {
  /** Name of the provider: `new Flujo({ stateProviders: { name: … } })`. */
  readonly $reference: string;
  readonly key: string;
  /** Never there: says what kind of value it is. */
  readonly "~value"?: T;
}

/** A reference as a step holds it: `const [document] = await ctx.hydrate(ctx.context.document)`. */
export interface ReferenceHandle<T = unknown> {
  readonly reference: ContextReference<T>;
  /** The value, as it was loaded or set. Changing what it answers changes nothing: `set` it. Throws REFERENCE_FAILED before. */
  get(): T;
  /**
   * Another value, kept when the attempt succeeds: saved under a new key before the outcome is recorded, and with the outcome every
   * equal reference in the context and the output says the new key. What nothing refers to is not saved.
   */
  set(value: T): void;
}

/** The handles of some references, one by one. */
export type Handles<References extends readonly ContextReference[]> = References extends readonly []
  ? readonly ReferenceHandle[]
  : { readonly [I in keyof References]: ReferenceHandle<ValueBehind<References[I]>> };

type ValueBehind<Reference> = Reference extends ContextReference<infer T> ? T : unknown;

/** A reference to what a provider keeps under a key, or to what a step is about to `set` there. */
export const reference = <T = unknown>(provider: string, key: string): ContextReference<T> => ({
  $reference: provider,
  key,
});

/** Whether a value is a reference. */
export const isReference = (value: unknown): value is ContextReference =>
  typeof value === "object" &&
  value !== null &&
  "$reference" in value &&
  typeof value.$reference === "string" &&
  "key" in value &&
  typeof value.key === "string" &&
  Object.keys(value).length === 2;

/** One text for equal references. Names and keys may hold any character. */
export const referenceId = ({ $reference, key }: ContextReference): string => JSON.stringify([$reference, key]);

/** All references in a stored value, also in maps and sets; equal ones once. */
export function referencesIn(wire: Wire, found: Map<string, ContextReference> = new Map()): typeof found {
  if (typeof wire !== "object" || wire === null) return found;
  if (isReference(wire)) return found.set(referenceId(wire), wire);
  for (const inner of Object.values(wire)) referencesIn(inner as Wire, found);
  return found;
}

/** The same value with other keys in some of its references. What holds none of them is not copied. */
export function rekeyed(wire: Wire, keys: ReadonlyMap<string, string>): Wire {
  if (typeof wire !== "object" || wire === null) return wire;
  if (isReference(wire)) {
    const key = keys.get(referenceId(wire));
    return key === undefined || key === wire.key ? wire : { $reference: wire.$reference, key };
  }
  if (Array.isArray(wire)) {
    const items = wire as readonly Wire[];
    const changed = items.map((item) => rekeyed(item, keys));
    return changed.some((item, i) => item !== items[i]) ? changed : wire;
  }
  const entries = Object.entries(wire as { readonly [key: string]: Wire });
  const changed = entries.map(([name, inner]): readonly [string, Wire] => [name, rekeyed(inner, keys)]);
  // From entries, so that `__proto__` as an own key stays data.
  return changed.some(([, inner], i) => inner !== entries[i]?.[1]) ? Object.fromEntries(changed) : wire;
}
