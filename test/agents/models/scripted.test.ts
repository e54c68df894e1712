import { describe, expect, it } from "vitest";
import { estimateRequest } from "../../../src/agents/estimate.ts";
import { billedOf } from "../../../src/agents/models/failures.ts";
import { rolePlay, scriptedModel, type ScriptedOptions } from "../../../src/agents/models/scripted/scripted-model.ts";
import type { ScriptStep } from "../../../src/agents/models/scripted/script.ts";
import { priceBook } from "../../../src/agents/prices.ts";
import type { Model, ModelAnswer, ModelDelta, ModelRequest } from "../../../src/ports/model.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";

const user = (text: string): ModelRequest => ({ messages: [{ role: "user", text }], settings: {} });
const asking = { signal: new AbortController().signal, idempotencyKey: "k" };
const ask = (model: Model, text = "hello"): Promise<ModelAnswer> => model.generate(user(text), asking);
const once = (step: ScriptStep, options?: ScriptedOptions): Promise<ModelAnswer> => ask(scriptedModel([step], options));

describe("a scripted model", () => {
  it.each<[string, ScriptStep, Partial<ModelAnswer>]>([
    ["a text", "hi", { text: "hi", calls: [], finish: "stop" }],
    ["an object with a text", { text: "hi", reasoning: "hm" }, { text: "hi", reasoning: "hm" }],
    ["JSON", { json: { a: [1] } }, { text: '{"a":[1]}' }],
    ["chunks", { chunks: ["a", "b"] }, { text: "ab" }],
    ["a function", ({ messages }) => `${messages.length} messages`, { text: "1 messages" }],
    [
      "calls",
      { calls: [{ name: "t", arguments: { a: 1 } }, { name: "u" }] },
      {
        calls: [
          { id: "call-1-1", name: "t", arguments: { a: 1 } },
          { id: "call-1-2", name: "u", arguments: {} },
        ],
        finish: "tool-calls",
      },
    ],
    ["a price", { text: "hi", costMicroUsd: 7 }, { costMicroUsd: 7 }],
    ["a reason to end", { text: "hi", finish: "length" }, { finish: "length" }],
  ])("answers with %s", async (_, step, answer) => {
    expect(await once(step)).toMatchObject(answer);
  });

  it("counts tokens the same way each time, below what is estimated for it", async () => {
    const model = scriptedModel(["one", "one"]);
    const [first, second] = [await ask(model, "a longer text"), await ask(model, "a longer text")];
    expect(first.usage).toEqual(second.usage);
    expect(first.usage).not.toHaveProperty("estimated");
    const estimate = estimateRequest(model, user("a longer text"), { prices: priceBook({}) });
    expect(first.usage.inputTokens).toBeLessThanOrEqual(estimate.inputTokens);
    expect(await once({ text: "x", usage: { outputTokens: 9 } })).toMatchObject({ usage: { outputTokens: 9 } });
  });

  it("costs what it is told to", async () => {
    expect((await once("hi", { costMicroUsd: 5 })).costMicroUsd).toBe(5);
    const price = { input: 1_000_000, output: 1_000_000 };
    expect(scriptedModel([], { provider: "p", id: "m", price })).toMatchObject({ provider: "p", id: "m", price });
  });

  it("remembers what it was asked", async () => {
    const model = scriptedModel(["hi"]);
    await ask(model, "first");
    expect(model.calls).toEqual([{ request: user("first"), idempotencyKey: "k" }]);
  });

  it.each([
    [429, "MODEL_RATE_LIMITED"],
    [{ status: 503, message: "overloaded" }, "MODEL_UNAVAILABLE"],
    [400, "MODEL_REFUSED"],
    [{ message: "socket hang up" }, "MODEL_UNAVAILABLE"],
  ] as const)("fails with %o as a provider does", async (error, code) => {
    await expect(once({ error })).rejects.toMatchObject({ code });
  });

  it("asks to wait, or throws what it is given", async () => {
    await expect(once({ error: { status: 429, retryAfterMs: 1_500 } })).rejects.toMatchObject({ delayMs: 1_500 });
    const own = new RangeError("mine");
    await expect(once({ error: own })).rejects.toBe(own);
  });

  it("streams in its chunks, with its delays, and may break off", async () => {
    const clock = new VirtualClock();
    const model = scriptedModel([{ chunks: ["a", "b"], delayMs: 1_000, error: 500 }], { clock });
    const deltas: ModelDelta[] = [];
    const answer = model.generate(user("x"), { ...asking, onDelta: (delta) => void deltas.push(delta) });
    const failed = expect(answer).rejects.toSatisfy((error) => (billedOf(error)[0]?.usage.outputTokens ?? 0) > 0);
    await clock.advance(1_000);
    expect(deltas).toEqual([{ type: "text", text: "a" }]);
    await clock.advance(1_000);
    await failed;
    expect(deltas).toHaveLength(2);
  });

  it("waits to be aborted when it hangs, and ends at once when it is", async () => {
    for (const step of [{ hang: true }, { text: "late", delayMs: 60_000 }] as const) {
      const controller = new AbortController();
      const answer = scriptedModel([step]).generate(user("x"), { ...asking, signal: controller.signal });
      setImmediate(() => controller.abort(new Error("enough")));
      await expect(answer).rejects.toThrow("enough");
    }
  });
});

describe("a script", () => {
  const broken = (says: RegExp): unknown =>
    expect.objectContaining({ code: "MODEL_SCRIPT_BROKEN", message: expect.stringMatching(says) as string });

  it("is broken by a call too many, also when its caller hides it", async () => {
    const model = scriptedModel(["only"]);
    await ask(model);
    await expect(ask(model, "and now?")).rejects.toEqual(broken(/1 steps and was called once more, with: "and now\?"/));
    expect(() => model.assertDone()).toThrow(broken(/was called 2 times/));
  });

  it("is broken by steps that are left", async () => {
    const leave = async (): Promise<void> => {
      using model = scriptedModel(["one", "two", "three"]);
      await ask(model);
      expect(model.remaining).toBe(2);
    };
    await expect(leave()).rejects.toEqual(broken(/the last 2 were never asked for/));
  });

  it("is done after its last step", async () => {
    using model = scriptedModel(["one"]);
    await ask(model);
    expect(model.remaining).toBe(0);
  });

  it("begins again when it is cyclic", async () => {
    using model = scriptedModel(["one", "two"], { cyclic: true });
    const said = [await ask(model), await ask(model), await ask(model)].map(({ text }) => text);
    expect(said).toEqual(["one", "two", "one"]);
  });
});

describe("a role play", () => {
  const model = rolePlay([
    { when: /weather in (\w+)/i, say: { calls: [{ name: "weather" }] } },
    { after: "weather", say: "It is sunny." },
    { when: "bye", say: ["Farewell.", "I said farewell."] },
    { when: ({ messages }) => messages.length > 5, say: "That was long." },
    { say: "I only know the weather." },
  ]);

  it("answers by the first rule that holds", async () => {
    expect((await ask(model, "What's the WEATHER in Rome?")).calls).toMatchObject([{ name: "weather" }]);
    const answered: ModelRequest = {
      messages: [{ role: "tool", answers: [{ id: "c", name: "weather", output: "the weather in Rome: bye" }] }],
      settings: {},
    };
    expect((await model.generate(answered, asking)).text).toBe("It is sunny.");
    expect((await ask(model, "Bye!")).text).toBe("Farewell.");
    expect((await ask(model, "bye")).text).toBe("I said farewell.");
    expect((await ask(model, "what?")).text).toBe("I only know the weather.");
  });

  it("is broken where no rule holds", async () => {
    await expect(ask(rolePlay([{ when: "x", say: "y" }]), "z")).rejects.toMatchObject({ code: "MODEL_SCRIPT_BROKEN" });
    await expect(ask(rolePlay([{ say: [] }]), "z")).rejects.toMatchObject({ code: "MODEL_SCRIPT_BROKEN" });
  });
});
