import { agent, flow, llm, scriptedModel } from "flujo";
import { describe, expect, it } from "vitest";
import { Scene } from "../engine/scene.ts";

const PRICE = { input: 1_000_000, output: 1_000_000 };

describe("llm", () => {
  const titled = flow("titled", { version: "1" })
    .input<string>()
    .step("title", async (text, ctx) => {
      const model = await llm(ctx, "smart");
      const { text: title } = await model.generate({ messages: [{ role: "user", text }], settings: {} });
      return title;
    })
    .build();

  it("gives a step the model that the runner names, and counts what it spends", async () => {
    using model = scriptedModel(["A title"], { price: PRICE });
    await using scene = new Scene("memory");
    const flujo = scene.open({ flows: [titled], models: { smart: "smarter", smarter: model } });
    const result = await flujo.run(titled, "a text");
    expect(result).toMatchObject({ status: "completed", output: "A title" });
    expect(await flujo.usage(result.runId)).toMatchObject({ requests: 1 });
    expect((await flujo.usage(result.runId)).costUsd).toBeGreaterThan(0);
  });

  it("does not call a model that the budget cannot pay", async () => {
    const model = scriptedModel([], { price: PRICE });
    await using scene = new Scene("memory");
    const flujo = scene.open({ flows: [titled], models: { smart: model }, limits: { costUsd: 0.001 } });
    expect(await flujo.run(titled, "a text")).toMatchObject({
      status: "failed",
      failure: { code: "COST_LIMIT_EXCEEDED", message: "Cost limit of $0.001 exceeded" },
    });
    model.assertDone();
  });

  it("gives each call of a step a key of its own, whichever model is asked", async () => {
    const model = scriptedModel(["one", "two", "three"], { price: PRICE });
    const asked = { messages: [{ role: "user", text: "?" }], settings: {} } as const;
    const several = flow("several", { version: "1" })
      .input<string>()
      .step("ask", async (_, ctx) => {
        const [first, second] = [await llm(ctx, model), await llm(ctx, model)];
        return [await first.generate(asked), await second.generate(asked), await first.generate(asked)].length;
      })
      .build();
    await using scene = new Scene("memory");
    await scene.open({ flows: [several] }).run(several, "");
    expect(new Set(model.calls.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(3);
  });

  it("says that parts of a context cannot pay", async () => {
    const torn = flow("torn", { version: "1" })
      .input<string>()
      .step("title", async (_, { signal, idempotencyKey, run, path }) => {
        await llm({ signal, idempotencyKey, run, path }, "smart");
        return "";
      })
      .build();
    await using scene = new Scene("memory");
    expect(await scene.open({ flows: [torn] }).run(torn, "")).toMatchObject({
      failure: { code: "OPTION_INVALID", message: "llm: expected the step's own ctx but found a part or a copy of it" },
    });
  });

  it("says which names there are when one is misspelt", async () => {
    await using scene = new Scene("memory");
    const flujo = scene.open({ flows: [titled], models: { smarts: "openai:gpt-4o", fast: "openai:gpt-4o-mini" } });
    const result = await flujo.run(titled, "a text");
    expect(result).toMatchObject({ failure: { code: "MODEL_UNKNOWN" } });
    expect(result.status === "failed" && result.failure.message).toContain(
      'names of this runner: smarts, fast; did you mean "smarts"?',
    );
  });

  it("says that names lead in a circle", async () => {
    await using scene = new Scene("memory");
    const flujo = scene.open({ flows: [titled], models: { smart: "clever", clever: "smart" } });
    expect(await flujo.run(titled, "a text")).toMatchObject({ failure: { code: "MODEL_UNKNOWN" } });
  });
});

describe("a stream", () => {
  it("has the pieces of a model's answer as they come", async () => {
    using model = scriptedModel([{ chunks: ["Hel", "lo"] }], { price: PRICE });
    const greeter = agent({ name: "greeter", model });
    const greet = flow("greet", { version: "1" }).input<string>().agent("greet", greeter, { granular: true }).build();
    await using scene = new Scene("memory");
    const flujo = scene.open({ flows: [greet] });
    const pieces: unknown[] = [];
    const stream = flujo.stream(greet, "hi");
    for (;;) {
      const { done, value } = await stream.next();
      if (done === true) {
        expect(value).toMatchObject({ status: "completed", output: "Hello" });
        break;
      }
      if ("chunk" in value) pieces.push(value.chunk);
    }
    expect(pieces).toEqual([
      { kind: "model", agent: "greeter", turn: 1, delta: { type: "text", text: "Hel" } },
      { kind: "model", agent: "greeter", turn: 1, delta: { type: "text", text: "lo" } },
    ]);
  });
});
