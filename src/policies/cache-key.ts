import { canonical } from "../domain/canonical.ts";
import { sha256 } from "../domain/sha256.ts";
import { decode, encode, type Wire } from "../domain/wire.ts";
import type { Caching } from "../definition/around.ts";
import { jsonSchemaOf } from "../definition/json-schema.ts";
import type { StepNode } from "../definition/node.ts";
import type { Attempt } from "./policy.ts";

/**
 * Names a result by what it depends on: who the step is, its version and schemas, the value and the context, or what the author
 * says instead of these two. Never by flow, run, path or visit. Throws what the author's function throws, and
 * VALUE_NOT_SERIALIZABLE.
 */
export function cacheKey(cache: Caching, of: Wire, { input, context }: Attempt): string {
  const { contextBefore, iteration } = context;
  const depends =
    cache.key === undefined
      ? { input: encode(input), context: declared(cache.context, contextBefore) }
      : { key: encode(settled(cache.key(input, { context: decode(contextBefore), iteration }))) };
  return sha256(canonical({ format: 1, of, ...depends })); // raise the format when this changes: stored keys are for ever
}

/** What of a key is the same at every attempt. */
export function whoseResult({ identity, version }: Caching, { input, output }: StepNode): Wire {
  const schema = (one: StepNode["input"]): Wire =>
    one === undefined ? null : ((jsonSchemaOf(one, "input") as Wire) ?? true);
  return { identity, version: version ?? null, input: schema(input), output: schema(output) };
}

function declared(fields: Caching["context"], context: Wire): Wire {
  if (fields === "all") return context;
  return fields.map((field) => fieldOf(context, field));
}

function fieldOf(context: Wire, field: string): Wire {
  if (typeof context !== "object" || context === null || !Object.hasOwn(context, field)) return [];
  return [(context as { readonly [key: string]: Wire })[field] ?? null];
}

function settled(key: unknown): unknown {
  if (!(key instanceof Promise)) return key;
  key.catch(() => undefined); // nobody else will: its rejection must not end the process
  throw new TypeError("cache.key: expected a plain value but found a promise");
}
