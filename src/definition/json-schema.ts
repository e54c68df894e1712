import type { Schema } from "../domain/schema.ts";
import type { Wire } from "../domain/wire.ts";

/** A JSON schema, as far as we read it. */
export type JsonSchema = { readonly [keyword: string]: Wire };

/** What vendors with Standard JSON Schema (zod 4.2 and later, arktype) offer besides validation. */
interface Converter {
  readonly input: (options: { readonly target: string }) => unknown;
  readonly output: (options: { readonly target: string }) => unknown;
}

type Side = "input" | "output";

/** Vendors convert anew at every call, and an agent asks at every turn. */
const known = new WeakMap<Schema, Map<Side, JsonSchema | undefined>>();

/**
 * The JSON schema of what goes into a schema or comes out of it: frozen, the same object for the same schema. Undefined when the
 * vendor offers none, or when it cannot express the schema (dates, transforms): then nothing is known, which is no error.
 */
export function jsonSchemaOf(schema: Schema, side: Side): JsonSchema | undefined {
  const sides = known.get(schema) ?? new Map<Side, JsonSchema | undefined>();
  known.set(schema, sides);
  if (!sides.has(side)) sides.set(side, converted(schema, side));
  return sides.get(side);
}

function converted(schema: Schema, side: Side): JsonSchema | undefined {
  const { jsonSchema } = schema["~standard"] as { readonly jsonSchema?: Converter };
  if (jsonSchema === undefined) return undefined;
  try {
    const { $schema: _, ...rest } = JSON.parse(
      JSON.stringify(jsonSchema[side]({ target: "draft-2020-12" })),
    ) as JsonSchema;
    return frozen(rest);
  } catch {
    return undefined;
  }
}

function frozen<W extends Wire>(wire: W): W {
  if (typeof wire === "object" && wire !== null) for (const inner of Object.values(wire)) frozen(inner);
  return Object.freeze(wire);
}
