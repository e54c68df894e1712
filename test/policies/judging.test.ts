import { addContextVariables, enforceJson, flow, stripMarkdownFences, type StepContext } from "flujo";
import { describe, expect, it } from "vitest";
import { factsOf, listening, lone } from "./bench.ts";

const twice = { attempts: 2, backoff: "immediate" } as const;

describe("processors", () => {
  it("stand around the function: prompts in their order, then outputs in theirs", async () => {
    const { runner } = listening();
    await using _ = runner;
    const tag = (name: string) => (data: unknown) => `${String(data)}${name}`;
    const built = lone((input: string) => `[${input}]`, {
      processors: { prompt: [tag("1"), tag("2")], output: [tag("3"), tag("4")] },
    });
    expect(await runner.run(built, "x")).toMatchObject({ output: "[x12]34" });
  });

  it.each([
    ["prompt", 1],
    ["output", 2],
  ] as const)("fail the step: one of a %s is tried %d times of 2", async (stage, tries) => {
    const { runner } = listening();
    await using _ = runner;
    let calls = 0;
    const fails = (): never => {
      calls += 1;
      throw new Error("broken");
    };
    const result = await runner.run(
      lone(() => 1, { retry: twice, processors: { [stage]: [fails] } }),
      1,
    );
    expect(result).toMatchObject({
      failure: { code: "PROCESSOR_FAILED", details: { stage, processor: "fails" }, cause: { message: "broken" } },
    });
    expect(calls).toBe(tries);
  });

  it.each<readonly [string, (data: unknown, ctx: StepContext) => unknown, unknown, unknown]>([
    ["fences of any language", stripMarkdownFences(), "Here:\n```js\nlet a;\n```\nDone.", "let a;"],
    ["fences of one language", stripMarkdownFences("SQL"), "```js\na\n```\n```sql\nselect 1\n```", "select 1"],
    ["a text without a fence", stripMarkdownFences("sql"), "select 1", "select 1"],
    ["JSON in a fence", enforceJson(), '```json\n{"a":1}\n```', { a: 1 }],
    ["what is no text", enforceJson(), { a: 1 }, { a: 1 }],
  ])("read %s", async (_what, processor, given, expected) => {
    const { runner } = listening();
    await using _ = runner;
    const result = await runner.run(
      lone((input) => input, { processors: { output: [processor] } }),
      given,
    );
    expect(result).toMatchObject({ output: expected });
  });

  it("put variables of the context before a prompt", async () => {
    const { runner } = listening();
    await using _ = runner;
    const built = lone((input) => input, { processors: { prompt: [addContextVariables("tone", "absent", "rules")] } });
    const result = await runner.run(built, "Write.", { context: { tone: "warm", rules: [1], other: 1 } });
    expect(result).toMatchObject({ output: "tone: warm\nrules: [1]\n\nWrite." });
  });
});

describe("validators", () => {
  const long = {
    name: "long",
    validate: (output: unknown) => ({ isValid: String(output).length > 3, feedback: "too short" }),
  };
  const polite = {
    name: "polite",
    validate: (output: unknown) =>
      Promise.resolve({ isValid: String(output).includes("please"), score: 0.2, feedback: "rude" }),
  };
  const broken = {
    name: "broken",
    validate: () => {
      throw new Error("no judge");
    },
  };

  it("fail the step with the feedback of all of them, and are asked once", async () => {
    const { runner } = listening();
    await using _ = runner;
    let calls = 0;
    const built = lone(() => (calls += 1), {
      retry: twice,
      validators: [long, { validate: () => true }, polite, broken],
    });
    expect(await runner.run(built, 1)).toMatchObject({
      failure: {
        code: "VALIDATION_FAILED",
        message: "too short; rude; broken failed: no judge",
        details: {
          validators: [
            { name: "long", isValid: false, score: 0, feedback: "too short" },
            { name: "validator 2", isValid: true, score: 1 },
            { name: "polite", isValid: false, score: 0.2 },
            { name: "broken", isValid: false, score: 0 },
          ],
        },
      },
    });
    expect(calls).toBe(1);
  });

  it("ask for another attempt where the author wants it, which begins with a clean context", async () => {
    const { runner } = listening();
    await using _ = runner;
    const seen: unknown[] = [];
    const built = lone(
      (_input, ctx) => {
        seen.push({ ...ctx.context });
        ctx.context["mark"] = ctx.attempt;
        return ctx.attempt === 1 ? "no" : "please";
      },
      { retry: twice, validators: [long], onInvalid: "retry", persistFeedbackTo: "feedback" },
    );
    expect(await runner.run(built, 1)).toMatchObject({ output: "please" });
    expect(seen).toEqual([{}, {}]);
  });

  it("let an output pass all the same where they are not strict, and leave their verdict in the context", async () => {
    const { runner, lines } = listening();
    await using _ = runner;
    const built = flow("hybrid", { version: "1" })
      .step("work", () => "no", {
        strict: false,
        plugins: [{ name: "policy", validate: () => ({ success: false, feedback: "against the rules" }) }],
        validators: [long],
        persistValidationTo: "verdicts",
        persistFeedbackTo: "feedback",
      })
      .step("look", (output, ctx) => ({ output, ...ctx.context }))
      .build();
    expect(await runner.run(built, 1, { context: { feedback: ["earlier"] } })).toMatchObject({
      output: {
        output: "no",
        feedback: ["earlier", "against the rules", "too short"],
        verdicts: [{ step: "root/work", isValid: false, score: 0, feedback: "against the rules; too short" }],
      },
    });
    expect(lines.map(({ message }) => message)).toEqual([
      "an output that is not valid is kept: against the rules; too short",
    ]);
  });
});

describe("plugins", () => {
  it("are asked by priority, and whatever one replaces is asked about from the beginning", async () => {
    const { runner } = listening();
    await using _ = runner;
    const asked: string[] = [];
    const tell = (name: string, output: unknown) => void asked.push(`${name} ${String(output)}`);
    const built = lone(() => "draft", {
      plugins: [
        {
          name: "low",
          validate: (output) => {
            tell("low", output);
            return output === "final" ? { success: true } : { success: false, newSolution: "final" };
          },
        },
        {
          name: "high",
          priority: 1,
          validate: (output) => {
            tell("high", output);
            return { success: true, newSolution: output };
          },
        },
      ],
    });
    expect(await runner.run(built, 1)).toMatchObject({ output: "final" });
    expect(asked).toEqual(["high draft", "low draft", "high final", "low final"]);
  });

  it("send the input to somebody else, and never twice to the same", async () => {
    const { runner } = listening();
    await using _ = runner;
    const expert = (input: unknown): string => `expert on ${String(input)}`;
    const send = (until: (output: unknown) => boolean) =>
      lone(() => "guess", {
        retry: twice,
        plugins: [{ name: "check", validate: (output) => ({ success: until(output), redirectTo: expert }) }],
      });
    expect(
      await runner.run(
        send((output) => output === "expert on x"),
        "x",
      ),
    ).toMatchObject({ output: "expert on x" });
    expect(
      await runner.run(
        send(() => false),
        "x",
      ),
    ).toMatchObject({
      failure: { code: "REDIRECT_LOOP", attempt: 1, details: { plugin: "check", to: "expert" } },
    });
  });

  it("that replace the output for ever are stopped", async () => {
    const { runner } = listening();
    await using _ = runner;
    const built = lone(() => 0, {
      plugins: [{ name: "more", validate: (output) => ({ success: false, newSolution: Number(output) + 1 }) }],
    });
    expect(await runner.run(built, 1)).toMatchObject({ failure: { code: "REDIRECT_LOOP" } });
  });

  it.each<readonly [string, () => never | { success: boolean; feedback?: string }, string]>([
    [
      "throws",
      () => {
        throw new Error("no plugin");
      },
      "PLUGIN_FAILED",
    ],
    ["refuses", () => ({ success: false, feedback: "no" }), "VALIDATION_FAILED"],
  ])("one that %s fails the step while attempts remain", async (_what, validate, code) => {
    const { runner } = listening();
    await using _ = runner;
    const built = lone(() => 1, { retry: twice, plugins: [{ name: "one", validate }] });
    expect(await runner.run(built, 1)).toMatchObject({ failure: { code, attempt: 2 } });
  });
});

describe("invariants", () => {
  const positive = (output: unknown): boolean | string => (Number(output) > 0 ? true : "not above zero");

  it.each<readonly [string, (output: unknown, view: { context: Record<string, unknown> }) => never, string]>([
    ["says why", positive as never, "positive: not above zero"],
    ["is false", (() => false) as never, "invariant 1: does not hold"],
    ["gives nothing", (() => undefined) as never, "invariant 1: gave undefined, not true"],
    [
      "throws",
      (() => {
        throw new Error("broken rule");
      }) as never,
      "invariant 1: broken rule",
    ],
    ["answers later", (() => Promise.reject(new Error("later"))) as never, "invariant 1: gave a promise"],
  ])("violated by one that %s, the step fails for good", async (_what, rule, message) => {
    const { runner } = listening();
    await using _ = runner;
    let calls = 0;
    const built = lone(() => -(calls += 1), { retry: twice, invariants: [rule] });
    const result = await runner.run(built, 1);
    expect(result).toMatchObject({ failure: { code: "INVARIANT_VIOLATED" } });
    expect(result).toMatchObject({ failure: { message: expect.stringContaining(message) as string } });
    expect(calls).toBe(1);
  });

  it("of a flow are asked after every step, with the context that it leaves", async () => {
    const { runner } = listening();
    await using _ = runner;
    const built = flow("bounded", {
      version: "1",
      invariants: [(_output, { context }) => Number(context["sum"] ?? 0) < 3],
    })
      .step("one", (_input, ctx) => void (ctx.context["sum"] = 2))
      .step("two", (_input, ctx) => void (ctx.context["sum"] = 4))
      .build();
    expect(await runner.run(built, 1)).toMatchObject({ failure: { code: "INVARIANT_VIOLATED", at: "root/two" } });
  });
});

describe("a fallback", () => {
  it("takes over when the attempts are spent, with the same value and a context that nobody touched", async () => {
    const { runner } = listening();
    await using _ = runner;
    const built = lone(
      (_input, ctx) => {
        ctx.context["leak"] = true;
        throw new Error("primary");
      },
      { retry: twice, fallback: (input: unknown, ctx: StepContext) => ({ input, context: ctx.context }) },
    );
    const result = await runner.run(built, "x");
    expect(result).toMatchObject({ output: { input: "x", context: {} } });
    expect((await factsOf(runner.flujo, result.runId, "step.failed")).map(({ path }) => path)).toEqual([
      "root/work/primary",
      "root/work/primary",
    ]);
    expect((await factsOf(runner.flujo, result.runId, "step.completed")).map(({ path }) => path)).toEqual([
      "root/work/fallback",
    ]);
  });

  it("to itself is a problem of the flow", () => {
    const run = (): number => 1;
    expect(() => lone(run, { fallback: run })).toThrow("FALLBACK_LOOP");
  });
});

describe("a failure handler", () => {
  it("is told once, after the last attempt, and one that fails is logged", async () => {
    const { runner, lines } = listening();
    await using _ = runner;
    const told: unknown[] = [];
    const broken = (): never => {
      throw new Error("no handler");
    };
    const built = lone(
      () => {
        throw new Error("no");
      },
      { retry: twice, failureHandlers: [broken, ({ message }, { attempt }) => void told.push([message, attempt])] },
    );
    expect(await runner.run(built, 1)).toMatchObject({ failure: { message: "no" } });
    expect(told).toEqual([["no", 2]]);
    expect(lines.map(({ message }) => message)).toEqual(["the failure handler broken failed"]);
  });
});
