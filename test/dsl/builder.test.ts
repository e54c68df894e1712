import { describe, expect, it } from "vitest";
import { z } from "zod";
import { FlujoError } from "../../src/domain/errors.ts";
import type { Body } from "../../src/dsl/builder.ts";
import { flow } from "../../src/dsl/flow.ts";

const one = (): number => 1;
const ids = ({ nodes }: { readonly nodes: ReadonlyMap<string, unknown> }): string[] => [...nodes.keys()];

/** The message of DEFINITION_INVALID, without its first line. */
function refusal(build: () => unknown): string[] {
  try {
    build();
  } catch (error) {
    if (!(error instanceof FlujoError) || error.code !== "DEFINITION_INVALID") throw error;
    return error.message
      .split("\n")
      .slice(1)
      .map((line) => line.trim());
  }
  throw new Error("nothing was refused");
}

describe("a builder", () => {
  it("is a value: what is built from it does not change it", () => {
    const base = flow("f", { version: "1" }).step("a", one);
    const left = base.step("left", one);
    const right = base.step("right", one).build();
    expect(ids(base.build())).toEqual(["root", "root/a"]);
    expect(ids(left.build())).toEqual(["root", "root/a", "root/left"]);
    expect(ids(right)).toEqual(["root", "root/a", "root/right"]);
  });

  it("carries what the flow says about itself", () => {
    const [input, context, output] = [z.number(), z.object({}), z.number()];
    const options = { version: "1", description: "counts", revision: "b", timeout: "1h" } as const;
    const built = flow("f", options).output(output).context(context).input(input).step("a", one).build();
    expect(built).toMatchObject({
      name: "f",
      version: "1",
      description: "counts",
      revision: "b",
      timeoutMs: 3_600_000,
    });
    expect([built.input, built.context, built.output]).toEqual([input, context, output]);
    expect(flow("f", { version: "1" }).step("a", one).build()).not.toHaveProperty("timeoutMs");
  });

  it("freezes what it builds, but nothing of its author's", () => {
    const [schema, reducers, signals] = [z.string(), { x: "sum" } as const, ["go"]];
    const fetchPage = (): string => "page";
    const built = flow("f", { version: "1" })
      .step("a", fetchPage, { output: schema, retry: 3 })
      .parallel("p", { r: (b) => b.step("x", one) }, { merge: { reducers } })
      .waitForAnySignal("w", signals)
      .build();
    const open: unknown[] = [];
    const look = (value: unknown): void => {
      if (typeof value !== "object" || value === null || "~standard" in value) return;
      if (!Object.isFrozen(value)) open.push(value);
      for (const inner of Object.values(value)) look(inner);
    };
    look(built.root);
    expect(open).toEqual([]);
    expect([built, built.calls].every(Object.isFrozen)).toBe(true);
    expect([schema, reducers, signals, fetchPage].some(Object.isFrozen)).toBe(false);
  });

  it("builds ten thousand steps' worth of chain in linear time, up to the limit", () => {
    const chain = (count: number) => {
      let builder: Body<number> | ReturnType<typeof begin> = begin();
      for (let i = 0; i < count; i++) builder = (builder as ReturnType<typeof begin>).step(`s${i}`, one);
      return (builder as ReturnType<typeof begin>).build();
    };
    const begin = () => flow("long", { version: "1" }).step("first", one);
    expect(chain(4_000).nodes.size).toBe(4_002);
    expect(refusal(() => chain(5_000))).toEqual([
      "root: has more than 5000 nodes; split it into flows that call each other",
    ]);
  });
});

describe("build reports at once", () => {
  it("what every construct and the check found wrong", () => {
    const broken = flow("two words", { version: "" })
      .step("a/b", one, { timeout: "soon" as "1s", retry: 0 })
      .step("twice", one)
      .step("twice", one)
      .if(
        "empty",
        () => true,
        (b) => b,
      )
      .sleep("nap", "-3s" as "3s")
      .sleepUntil("never", new Date(Number.NaN))
      .times("often", 1.5, (b) => b.step("x", one as never))
      .human("ask", {})
      .attempt("try", (b) => b.step("x", one), {});
    expect(refusal(() => broken.build())).toEqual([
      "root/a/b: retry.attempts: expected a whole number from 1 to 1000 but found 0",
      'root/a/b: expected timeout in milliseconds or text such as "10s", "5 minutes", "2 days" but found "soon"',
      'root/nap: expected a sleep in milliseconds or text such as "10s", "5 minutes", "2 days" but found "-3s"',
      "root/never: sleeps until an invalid Date",
      "root/ask: needs a question: give either message or question",
      'flow: expected a name of 1 to 128 characters A-Za-z0-9._:- but found "two words"',
      'flow: expected a version of 1 to 128 characters A-Za-z0-9._:- but found ""',
      'root/a/b: expected an id of 1 to 128 characters A-Za-z0-9._:- but found "a/b"',
      'root/twice: the id "twice" is used twice in one scope',
      "root/empty/then: is empty: give it at least one step",
      "root/often: count: expected a whole number from 0 to 1000000 but found 1.5",
      "root/try: handles nothing: give it a fallback, a catch, or compensate: true",
    ]);
  });

  it("problems as data, too", () => {
    const build = () => flow("f", { version: "1" }).build();
    expect(build).toThrow("flow f@1 has 1 problem:\n  root: is empty: give it at least one step");
    try {
      build();
    } catch (error) {
      expect(error).toMatchObject({
        details: { problems: [{ path: "root", says: "is empty: give it at least one step" }] },
      });
    }
  });

  const NOT_CONTINUED = "a body is a function that returns the builder it was given, continued: (b) => b.step(…)";
  const base = flow("f", { version: "1" }).step("a", one);
  it.each([
    ["returns nothing", () => undefined],
    ["returns the outer builder", () => base],
    ["returns something else", () => 5],
    ["is no function", "body"],
  ])("a body that %s", (_what, body) => {
    expect(refusal(() => base.if("i", () => true, body as never).build())).toContain(`root/i/then: ${NOT_CONTINUED}`);
    const used = (b: Body<number>): Body<number> => b.use(body as never);
    expect(refusal(() => base.if("i", () => true, used).build())).toContain(`root/i/then/use: ${NOT_CONTINUED}`);
  });

  it("a body that is built", () => {
    const build = (b: Body<number>) => (b as unknown as { build(): never }).build();
    expect(refusal(() => base.if("i", () => true, build).build())).toContain(
      "root/i/then: only a whole flow can be built, not a body",
    );
  });

  it("a call of something that is no flow", () => {
    expect(refusal(() => base.call("c", { name: "x" } as never).build())).toEqual([
      "root/c: calls something that is not a built flow",
    ]);
  });

  it("calls of different flows under one name", () => {
    const child = flow("child", { version: "1" }).step("a", one).build();
    const other = flow("child", { version: "1" }).step("b", one).build();
    expect(refusal(() => base.call("c", child).call("d", other).build())).toEqual([
      "root: calls two different definitions of child@1; raise the version of one",
    ]);
    expect(base.call("c", child).call("d", child).build().calls).toEqual([child]);
  });

  it("both a fallback and a catch", () => {
    const add = (b: Body<never>) => b.step("x", one);
    expect(
      refusal(() =>
        base.attempt("t", (b) => b.step("x", one), { fallback: add as never, catch: add as never }).build(),
      ),
    ).toEqual(["root/t: has both a fallback and a catch: choose one"]);
  });
});

describe("flow", () => {
  it("refuses a timeout that is no duration", () => {
    expect(() => flow("f", { version: "1", timeout: "long" as "1s" })).toThrow("expected timeout in milliseconds");
  });
});
