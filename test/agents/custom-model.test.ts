import { agent, fallbackModels, flow, type Model, type RunResult, scriptedModel } from "flujo";
import { describe, expect, it } from "vitest";
import { Scene } from "../engine/scene.ts";

const PRICE = { input: 1_000_000, output: 1_000_000 };
const SOUND = { text: "hello", calls: [], finish: "stop", usage: { inputTokens: 10, outputTokens: 5 } };

/** A model that somebody wrote himself, perhaps without looking at the types. */
const model = (generate: () => unknown): Model => ({
  provider: "own",
  id: "one",
  price: PRICE,
  generate: async () => (await generate()) as never,
});

async function ran(choice: Model): Promise<{ result: RunResult; requests: number; inputTokens: number }> {
  const f = flow("f", { version: "1" })
    .input<string>()
    .agent("a", agent({ name: "a", model: choice }))
    .build();
  await using scene = new Scene("memory");
  const flujo = scene.open({ flows: [f], limits: { costUsd: 1, totalTokens: 100_000 } });
  const result = await flujo.run(f, "hi");
  const { requests, inputTokens } = await flujo.usage(result.runId);
  return { result, requests, inputTokens };
}

describe("a model of the user's own", () => {
  it.each([
    ["nothing", undefined],
    ["no numbers", { inputTokens: Number.NaN, outputTokens: "5" }],
    ["less than nothing", { inputTokens: -100_000, outputTokens: -1 }],
  ])("is paid by an estimate when its usage is %s", async (_, usage) => {
    const { result, requests, inputTokens } = await ran(model(() => ({ ...SOUND, usage })));
    expect(result).toMatchObject({ status: "completed", output: "hello" });
    expect(requests).toBe(1);
    expect(inputTokens).toBeGreaterThan(0);
  });

  it("is paid what it says", async () => {
    expect(await ran(model(() => SOUND))).toMatchObject({ inputTokens: 10, requests: 1 });
  });

  it.each([
    ["nothing at all", undefined, "expected { text, calls, finish, usage } but found undefined"],
    ["no text", { ...SOUND, text: 5 }, "expected text in `text` but found a number"],
    ["no calls", { ...SOUND, calls: undefined }, "in `calls` but found undefined"],
    ["calls without a name", { ...SOUND, calls: [{ id: "1", arguments: {} }] }, "but found a list of something else"],
  ])("is told what is wrong when it answers %s", async (_, answer, said) => {
    const { result } = await ran(model(() => answer));
    expect(result).toMatchObject({ failure: { code: "MODEL_ANSWER_UNREADABLE" } });
    expect(result.status === "failed" && result.failure.message).toContain(`own:one gave an unreadable answer`);
    expect(result.status === "failed" && result.failure.message).toContain(said);
  });

  it("is asked again or not as its errors say, and its keys are not repeated", async () => {
    const refuse = (): never => {
      throw Object.assign(new Error("bad key sk-proj-abcdefgh12345678"), { status: 401 });
    };
    const { result, inputTokens } = await ran(model(refuse));
    expect(result).toMatchObject({
      failure: { code: "MODEL_REFUSED", message: "own:one refused the request: 401 bad key [secret]" },
    });
    expect(inputTokens).toBe(0);
  });

  it("does not spoil the sum of a fallback", async () => {
    const broken = model(() => ({ ...SOUND, text: undefined }));
    const { result, requests } = await ran(fallbackModels([broken, scriptedModel(["good"], { price: PRICE })]));
    expect(result).toMatchObject({ status: "completed", output: "good" });
    expect(requests).toBeGreaterThan(0);
  });
});
