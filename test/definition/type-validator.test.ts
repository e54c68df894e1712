import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { typeProblems } from "../../src/definition/type-validator.ts";
import type { Node } from "../../src/definition/node.ts";
import { nodePath } from "../../src/domain/ids.ts";
import type { Schema } from "../../src/domain/schema.ts";
import { flow } from "../../src/dsl/flow.ts";
import { rootOf, sequenceNode, stepNode } from "./samples.ts";

const gives = (output: Schema): Node => stepNode("root/a", { output });
const takes = (input: Schema): Node => stepNode("root/b", { input });
const found = (...children: readonly Node[]): string[] =>
  typeProblems(rootOf(...children), {}).map(({ path, says }) => `${path}: ${says}`);
const prefix = "root/b: the step cannot take what root/a gives:";

describe("neighbours that cannot fit", () => {
  it.each<[string, Schema, Schema, string]>([
    ["types", z.string(), z.number(), "$ is string, wanted is number"],
    ["simple unions", z.union([z.string(), z.number()]), z.boolean(), "$ is string or number, wanted is boolean"],
    ["a text for a list", z.string(), z.array(z.string()), "$ is string, wanted is array"],
    ["values", z.enum(["a", "b"]), z.enum(["c"]), `$ is "a" or "b", wanted is "c"`],
    ["a literal", z.literal("a"), z.literal("b"), `$ is "a", wanted is "b"`],
    ["a missing property", z.object({ a: z.string() }), z.object({ a: z.string(), b: z.string() }), "$.b is missing"],
    [
      "a nested property",
      z.object({ a: z.object({ b: z.string() }) }),
      z.object({ a: z.object({ b: z.boolean() }) }),
      "$.a.b is string, wanted is boolean",
    ],
    [
      "items",
      z.array(z.object({ n: z.number() })),
      z.array(z.object({ n: z.string() })),
      "$[].n is number, wanted is string",
    ],
    [
      "what a transform leaves",
      z.string().transform(Number).pipe(z.number()),
      z.string(),
      "$ is number, wanted is string",
    ],
  ])("in %s", (_what, output, input, says) => {
    expect(found(gives(output), takes(input))).toEqual([`${prefix} ${says}`]);
  });
});

describe("no problem is seen", () => {
  it.each<[string, Schema, Schema]>([
    ["in equal schemas", z.object({ a: z.string() }), z.object({ a: z.string() })],
    ["in more properties than wanted", z.object({ a: z.string(), b: z.number() }), z.object({ a: z.string() })],
    ["in a whole number for a number", z.int(), z.number()],
    ["in a number that may be whole", z.number(), z.int()],
    ["in a property that may be absent", z.object({ a: z.string().optional() }), z.object({ a: z.string() })],
    ["in an open object", z.looseObject({}), z.object({ a: z.string() })],
    ["in an optional property", z.object({}), z.object({ a: z.string().optional() })],
    ["in a default", z.object({}), z.object({ a: z.string().default("") })],
    ["in values that overlap", z.enum(["a", "b"]), z.enum(["b", "c"])],
    ["in unions", z.union([z.object({}), z.array(z.string())]), z.boolean()],
    ["in what JSON cannot say", z.date(), z.number()],
    ["in a vendor without JSON schema", v.string(), z.number()],
    ["in anything", z.any(), z.number()],
  ])("%s", (_what, output, input) => {
    expect(found(gives(output), takes(input))).toEqual([]);
  });
});

describe("the value is followed", () => {
  const [text, number] = [z.string(), z.number()];
  const wanted = (id: string) => `root/${id}`;
  const problems = (build: () => unknown): string[] => {
    try {
      build();
      return [];
    } catch (error) {
      return String(error)
        .split("\n")
        .slice(1)
        .map((line) => line.trim().replace(/: .*/, ""));
    }
  };
  const start = flow("f", { version: "1" }).input(text);
  const wrong = { input: number };

  it("from the flow's input to its output", () => {
    expect(problems(() => start.step("a", () => 1, wrong).build())).toEqual(["root/a"]);
    expect(
      problems(() =>
        start
          .output(z.unknown())
          .step("a", () => 1, { output: number })
          .build(),
      ),
    ).toEqual([]);
    const badly = flow("f", { version: "1" })
      .output(text)
      .step("a", (): never => "x" as never, { output: number as never });
    expect(problems(() => badly.build())).toEqual(["flow"]);
  });

  it("into branches, loops, forks and attempts", () => {
    const built = start
      .if(
        "i",
        () => true,
        (b) => b.step("x", () => 1, wrong),
        (b) => b.step("y", () => 1, wrong),
      )
      .step("s", () => "", { output: text })
      .switch(
        "j",
        () => "k",
        { k: (b) => b.step("x", () => 1, wrong) },
        { default: (b) => b.step("y", () => 1, wrong) },
      )
      .step("t", () => "", { output: text })
      .parallel("p", { l: (b) => b.step("x", () => 1, wrong) })
      .step("u", () => "", { output: text })
      .times("l", 2, (b) => b.step("x", () => "", wrong))
      .step("v", () => "", { output: text })
      .attempt("t2", (b) => b.step("x", () => 1, wrong), { fallback: (b) => b.step("y", () => 1, wrong) });
    expect(problems(() => built.build())).toEqual([
      ...["root/i/then/x", "root/i/else/y", "root/j/k/x", "root/j/default/y"],
      ...["root/p/l/x", "root/l/body/x", "root/t2/body/x", "root/t2/fallback/y"],
    ]);
  });

  it("past sleeps, out of waits, loops and attempts", () => {
    const late = { deadline: 1, onTimeout: () => 1 };
    expect(
      problems(() =>
        start
          .sleep("z", 1)
          .sleepUntil("y", new Date(1))
          .step("a", () => 1, wrong)
          .build(),
      ),
    ).toEqual([wanted("a")]);
    expect(
      problems(() =>
        start
          .human("h", { message: "", answer: text })
          .step("a", () => 1, wrong)
          .build(),
      ),
    ).toEqual([wanted("a")]);
    expect(
      problems(() =>
        start
          .human("h", { message: "", answer: text, ...late })
          .step("a", () => 1, wrong)
          .build(),
      ),
    ).toEqual([]);
    expect(
      problems(() =>
        start
          .waitForSignal("w", "s", { schema: text })
          .step("a", () => 1, wrong)
          .build(),
      ),
    ).toEqual([wanted("a")]);
    expect(
      problems(() =>
        start
          .waitForAnySignal("w", { s: text })
          .step("a", () => 1, wrong)
          .build(),
      ),
    ).toEqual([]);
    const out = (b: Parameters<Parameters<typeof start.times>[2]>[0]) => b.step("x", () => "", { output: text });
    expect(
      problems(() =>
        start
          .loop("l", out, { until: () => true, max: 2 })
          .step("a", () => 1, wrong)
          .build(),
      ),
    ).toEqual([wanted("a")]);
    expect(
      problems(() =>
        start
          .attempt("t", out, { compensate: true })
          .step("a", () => 1, wrong)
          .build(),
      ),
    ).toEqual([wanted("a")]);
    expect(
      problems(() =>
        start
          .attempt("t", out, { fallback: (b) => b.step("y", () => 1) })
          .step("a", () => 1, wrong)
          .build(),
      ),
    ).toEqual([]);
  });

  it("not out of what may give several things", () => {
    const built = start
      .if(
        "i",
        () => true,
        (b) => b.step("x", () => 1),
      )
      .step("a", () => 1, wrong);
    expect(problems(() => built.build())).toEqual([]);
  });

  it("not out of calls and maps", () => {
    const child = flow("c", { version: "1" })
      .step("a", () => "")
      .build();
    expect(
      problems(() =>
        start
          .call("c", child)
          .step("a", () => 1, wrong)
          .build(),
      ),
    ).toEqual([]);
    expect(
      problems(() =>
        start
          .map(
            "m",
            () => [1],
            (b) => b.step("x", () => 1, wrong),
          )
          .step("a", () => 1, wrong)
          .build(),
      ),
    ).toEqual([]);
  });
});

it("a schema that throws when it is asked for its JSON schema is unknown", () => {
  const fail = (): never => {
    throw new Error("not today");
  };
  const moody = { "~standard": { ...z.string()["~standard"], jsonSchema: { input: fail, output: fail } } };
  expect(found(gives(moody as never), takes(z.number()))).toEqual([]);
  expect(
    found(sequenceNode("root/s", gives(moody as never)), { ...takes(z.number()), path: nodePath("root/b") }),
  ).toEqual([]);
});
