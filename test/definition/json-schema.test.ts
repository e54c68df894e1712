import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { jsonSchemaOf } from "../../src/definition/json-schema.ts";
import type { Schema } from "../../src/domain/schema.ts";

describe("jsonSchemaOf", () => {
  it("tells what goes in from what comes out", () => {
    const schema = z.object({ a: z.string().default("x") });
    expect(jsonSchemaOf(schema, "input")).not.toHaveProperty("required");
    expect(jsonSchemaOf(schema, "output")).toMatchObject({ required: ["a"] });
  });

  it("asks the vendor once for each side", () => {
    let asked = 0;
    const convert = () => ({ type: "string", asked: ++asked });
    const vendor = {
      jsonSchema: { input: convert, output: convert },
      version: 1,
      vendor: "own",
      validate: () => ({ value: 1 }),
    };
    const schema: Schema = { "~standard": vendor } as never;
    const [first, again, other] = [
      jsonSchemaOf(schema, "input"),
      jsonSchemaOf(schema, "input"),
      jsonSchemaOf(schema, "output"),
    ];
    expect(again).toBe(first);
    expect(other).toEqual({ type: "string", asked: 2 });
  });

  it("knows nothing of schemas that say nothing", () => {
    expect(jsonSchemaOf(v.string(), "input")).toBeUndefined();
    expect(jsonSchemaOf(z.date(), "input")).toBeUndefined();
  });

  it("is frozen throughout, because all callers share it", () => {
    const schema = jsonSchemaOf(z.object({ a: z.object({ b: z.string() }) }), "input");
    const frozen = (value: unknown): boolean =>
      typeof value !== "object" || value === null || (Object.isFrozen(value) && Object.values(value).every(frozen));
    expect(schema).toBeDefined();
    expect(frozen(schema)).toBe(true);
  });
});
