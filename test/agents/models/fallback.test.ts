import { describe, expect, it } from "vitest";
import { FlujoError } from "../../../src/domain/errors.ts";
import { billedOf } from "../../../src/agents/models/failures.ts";
import { fallbackModels } from "../../../src/agents/models/fallback.ts";
import { scriptedModel } from "../../../src/agents/models/scripted/scripted-model.ts";
import type { ScriptStep } from "../../../src/agents/models/scripted/script.ts";
import type { Model, ModelDelta, ModelRequest } from "../../../src/ports/model.ts";

const hello: ModelRequest = { messages: [{ role: "user", text: "hello" }], settings: {} };
const asking = { signal: new AbortController().signal, idempotencyKey: "k" };
const model = (id: string, step: ScriptStep): Model => scriptedModel([step], { id });

describe("a fallback", () => {
  it.each([
    ["is rate limited", { error: 429 }],
    ["is not there", { error: 503 }],
    ["cannot be read", { error: new FlujoError("MODEL_ANSWER_UNREADABLE", "x") }],
    ["fails in words of its own", { error: new TypeError("fetch failed") }],
  ])("asks the next model when one %s", async (_, step) => {
    const answer = await fallbackModels([model("a", step), model("b", "hi")]).generate(hello, asking);
    expect(answer).toMatchObject({ text: "hi", model: "scripted:b", billed: [{ model: { id: "b" } }] });
  });

  it.each([
    ["refuses", { error: 400 }, "MODEL_REFUSED"],
    ["is out of budget", { error: new FlujoError("COST_LIMIT_EXCEEDED", "x") }, "COST_LIMIT_EXCEEDED"],
  ])("does not when one %s", async (_, step, code) => {
    const second = scriptedModel(["hi"]);
    await expect(fallbackModels([model("a", step), second]).generate(hello, asking)).rejects.toMatchObject({ code });
    expect(second.calls).toEqual([]);
  });

  it("does not when the call is aborted", async () => {
    const controller = new AbortController();
    const second = scriptedModel(["hi"]);
    const answer = fallbackModels([model("a", { hang: true }), second]).generate(hello, {
      ...asking,
      signal: controller.signal,
    });
    controller.abort(new Error("enough"));
    await expect(answer).rejects.toThrow("enough");
    expect(second.calls).toEqual([]);
  });

  it("asks after what it is told to", async () => {
    const both = [model("a", { error: 400 }), model("b", "hi")];
    expect((await fallbackModels(both, { on: ["MODEL_REFUSED"] }).generate(hello, asking)).text).toBe("hi");
  });

  it("says that pieces are void before another model's come", async () => {
    const deltas: ModelDelta[] = [];
    const onDelta = (delta: ModelDelta): void => void deltas.push(delta);
    const models = [
      model("a", { chunks: ["hal", "f"], error: 500 }),
      model("b", { error: 500 }),
      model("c", { chunks: ["who", "le"] }),
    ];
    const answer = await fallbackModels(models).generate(hello, { ...asking, onDelta });
    expect(answer.text).toBe("whole");
    expect(deltas).toEqual([
      { type: "text", text: "hal" },
      { type: "text", text: "f" },
      { type: "restart", model: "scripted:b" },
      { type: "text", text: "who" },
      { type: "text", text: "le" },
    ]);
  });

  it("pays every model that has worked, each at its own price", async () => {
    const usage = { inputTokens: 10, outputTokens: 5 };
    const first = scriptedModel([{ chunks: ["half"], error: 500, usage }], { id: "a", price: { input: 1, output: 1 } });
    const answer = await fallbackModels([first, model("b", { text: "hi", usage, costMicroUsd: 9 })]).generate(
      hello,
      asking,
    );
    expect(answer.usage).toEqual({ inputTokens: 20, outputTokens: 10 });
    expect(answer.billed).toEqual([
      { model: { provider: "scripted", id: "a", price: { input: 1, output: 1 } }, usage },
      { model: { provider: "scripted", id: "b" }, usage, costMicroUsd: 9 },
    ]);
  });

  it("says what all of them said when all fail, and waits for the first that may be asked again", async () => {
    const later = (retryAfterMs: number): ScriptStep => ({ error: { status: 429, retryAfterMs } });
    const failed = fallbackModels([model("a", later(9_000)), model("b", later(2_000))]).generate(hello, asking);
    await expect(failed).rejects.toMatchObject({
      code: "MODEL_RATE_LIMITED",
      delayMs: 2_000,
      message: expect.stringMatching(/scripted:a .*; scripted:b /) as string,
    });
    const mixed = fallbackModels([model("a", later(9_000)), model("b", { error: 500 })]).generate(hello, asking);
    await expect(mixed).rejects.toSatisfy((error) => error instanceof FlujoError && !("delayMs" in error));
  });

  it("still has to pay for half an answer when the next one refuses", async () => {
    const models = [model("a", { chunks: ["half"], error: 500 }), model("b", { error: 400 })];
    const error: unknown = await fallbackModels(models)
      .generate(hello, asking)
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "MODEL_REFUSED" });
    expect(billedOf(error)).toMatchObject([{ model: { id: "a" } }]);
  });

  it("may be part of another", async () => {
    const inner = fallbackModels([model("a", { error: 500 }), model("b", { error: 500 })]);
    const answer = await fallbackModels([inner, model("c", "hi")]).generate(hello, asking);
    expect(answer).toMatchObject({ text: "hi", model: "scripted:c" });
  });

  it("needs a model", () => {
    expect(() => fallbackModels([])).toThrow(expect.objectContaining({ code: "OPTION_INVALID" }));
  });
});
