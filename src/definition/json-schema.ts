import type { Schema } from "../domain/schema.ts";
import type { Wire } from "../domain/wire.ts";

/** A JSON schema, as far as we read it. */
export type JsonSchema = { readonly [keyword: string]: Wire };

/** What vendors with Standard JSON Schema (zod 4.2 and later, arktype) offer besides validation. */
interface Converter {
  readonly input: (options: { readonly target: string }) => unknown;
  readonly output: (options: { readonly target: string }) => unknown;
}

/**
 * The JSON schema of what goes into a schema or comes out of it. Undefined when the vendor offers none, or when it cannot
 * express the schema (dates, transforms): then nothing is known, which is no error.
 */
export function jsonSchemaOf(schema: Schema, side: "input" | "output"): JsonSchema | undefined {
  const { jsonSchema } = schema["~standard"] as { readonly jsonSchema?: Converter };
  if (jsonSchema === undefined) return undefined;
  try {
    const { $schema: _, ...rest } = JSON.parse(
      JSON.stringify(jsonSchema[side]({ target: "draft-2020-12" })),
    ) as JsonSchema;
    return rest;
  } catch {
    return undefined;
  }
}
