import { getEventListeners } from "node:events";
import { describe, expect, it, vi } from "vitest";
import { billedOf } from "../../../src/agents/models/failures.ts";
import { embedderFromAiSdk, fromAiSdk } from "../../../src/ai-sdk.ts";
import type { ModelAnswer, ModelRequest } from "../../../src/ports/model.ts";

/** By shape alone, as a provider package of tomorrow might be. */
const shaped = (rest: object): Parameters<typeof fromAiSdk>[0] => ({
  specificationVersion: "v3",
  provider: "acme.chat",
  modelId: "a-1",
  doGenerate: () => Promise.reject(new Error("not asked for")),
  ...rest,
});
const hello: ModelRequest = { messages: [{ role: "user", text: "hello" }], settings: {} };
const asking = (signal = new AbortController().signal): { signal: AbortSignal; idempotencyKey: string } => ({
  signal,
  idempotencyKey: "k",
});
const text = (said: string): object => ({ type: "text", text: said });
const answering = (result: object): Promise<ModelAnswer> =>
  fromAiSdk(shaped({ doGenerate: async () => result })).generate(hello, asking());

describe("a model that is none", () => {
  it.each([
    [shaped({ specificationVersion: "v9" }), /specification "v9" \(provider "acme.chat", model "a-1"\)/],
    [shaped({ specificationVersion: undefined }), /specification undefined/],
    [shaped({ doGenerate: undefined }), /without doGenerate/],
    ["openai/gpt-4o", /string "openai\/gpt-4o"/],
    [undefined, /undefined/],
  ])("is refused at once, by name", (model, says) => {
    const make = (): unknown => Reflect.apply(fromAiSdk, undefined, [model]);
    expect(make).toThrow(
      expect.objectContaining({ code: "MODEL_UNKNOWN", message: expect.stringMatching(says) as string }),
    );
  });

  it("is refused as an embedder", () => {
    const make = (): unknown => Reflect.apply(embedderFromAiSdk, undefined, [shaped({})]);
    expect(make).toThrow(/without doEmbed/);
  });
});

describe("an answer", () => {
  it("is counted by its text where the provider says nothing", async () => {
    const { usage } = await answering({
      content: [text("a longer answer than hello")],
      finishReason: "stop",
      usage: {},
    });
    expect(usage).toMatchObject({ estimated: true });
    expect(usage.inputTokens).toBeGreaterThan(1);
    expect(usage.outputTokens).toBeGreaterThan(5);
  });

  it("counts what is known, and says that the rest is not", async () => {
    const usage = { inputTokens: { noCache: 3, cacheRead: 4, cacheWrite: 2 }, outputTokens: {} };
    const answer = await answering({ content: [text("hi")], finishReason: { unified: "stop" }, usage });
    expect(answer.usage).toMatchObject({ inputTokens: 9, cacheReadTokens: 4, cacheWriteTokens: 2, estimated: true });
  });

  it("counts the cache in where Anthropic's flat numbers leave it out", async () => {
    const result = {
      content: [text("hi")],
      finishReason: "stop",
      usage: { inputTokens: 10, outputTokens: 1, cachedInputTokens: 100 },
      providerMetadata: { anthropic: { cacheCreationInputTokens: 20 } },
    };
    const old = { specificationVersion: "v2", provider: "anthropic.messages", doGenerate: async () => result };
    const { usage } = await fromAiSdk(shaped(old)).generate(hello, asking());
    expect(usage).toEqual({ inputTokens: 130, outputTokens: 1, cacheReadTokens: 100, cacheWriteTokens: 20 });
  });

  it.each([
    [{ gateway: { cost: "0.00045405" } }, 455],
    [{ openrouter: { usage: { cost: 0.000435 } } }, 435],
    [{ gateway: { cost: "free" } }, undefined],
  ])("costs what a gateway says: %o", async (providerMetadata, costMicroUsd) => {
    const answer = await answering({ content: [], finishReason: "stop", usage: {}, providerMetadata });
    expect(answer.costMicroUsd).toBe(costMicroUsd);
  });

  it.each([
    ["unknown", "other"],
    [{ unified: "interrupted" }, "other"],
    [{ unified: "error" }, "error"],
    ["content-filter", "content-filter"],
    [undefined, "other"],
    ["constructor", "other"],
  ])("that ended with %o finished with %s", async (finishReason, finish) => {
    expect((await answering({ content: [], finishReason, usage: {} })).finish).toBe(finish);
  });

  it("keeps arguments that are no JSON as text, makes ids unique, and leaves the provider's own tools to it", async () => {
    const call = (input: unknown, rest: object = {}): object => ({
      type: "tool-call",
      toolCallId: "c",
      toolName: "t",
      input,
      ...rest,
    });
    const content = [
      call("{broken"),
      call(""),
      call('{"a":1}'),
      call("{}", { providerExecuted: true }),
      { type: "source" },
    ];
    const { calls } = await answering({ content, finishReason: "tool-calls", usage: {} });
    expect(calls).toEqual([
      { id: "c", name: "t", arguments: "{broken" },
      { id: "call-2", name: "t", arguments: {} },
      { id: "call-3", name: "t", arguments: { a: 1 } },
    ]);
  });

  it.each([[undefined], [{}], ["text"], [{ content: "text" }]])("that is %o is unreadable", async (result) => {
    await expect(answering(result as object)).rejects.toMatchObject({ code: "MODEL_ANSWER_UNREADABLE" });
  });
});

describe("a message with what a provider wants back", () => {
  const provider = {
    aiSdk: {
      by: "acme.chat",
      parts: [
        { type: "reasoning", text: "hm", meta: { acme: { signature: "s" } } },
        { type: "text", length: 4 },
        { type: "text", length: 3, meta: { acme: { item: 1 } } },
      ],
    },
  };
  const contentOf = async (by: string, said: string): Promise<unknown> => {
    let prompt: unknown;
    const doGenerate = async (options: { readonly prompt: unknown }): Promise<object> => {
      prompt = options.prompt;
      return { content: [], finishReason: "stop", usage: {} };
    };
    const messages = [{ role: "assistant", text: said, provider }] as const;
    await fromAiSdk(shaped({ provider: by, doGenerate })).generate({ messages, settings: {} }, asking());
    return (prompt as readonly { readonly content: unknown }[])[0]?.content;
  };
  const reasoning = { type: "reasoning", text: "hm", providerOptions: { acme: { signature: "s" } } };

  it("is cut as it came", async () => {
    const second = { type: "text", text: "two", providerOptions: { acme: { item: 1 } } };
    expect(await contentOf("acme.chat", "one two")).toEqual([reasoning, { type: "text", text: "one " }, second]);
  });

  it("stays whole, in its place, when its text was changed since", async () => {
    expect(await contentOf("acme.chat", "changed since")).toEqual([reasoning, { type: "text", text: "changed since" }]);
  });

  it("is plain to every other provider", async () => {
    expect(await contentOf("other.chat", "one two")).toEqual([{ type: "text", text: "one two" }]);
  });
});

describe("a call that is aborted", () => {
  const reason = new Error("the run was cancelled");
  const never = new Promise<never>(() => undefined);

  it.each([
    ["before it begins", { doGenerate: () => never }, undefined],
    ["while the provider hangs", { doGenerate: () => never }, undefined],
    ["while a stream is opened", { doStream: () => never }, () => undefined],
    ["while a stream hangs", { doStream: async () => ({ stream: new ReadableStream({}) }) }, () => undefined],
  ])("rejects at once, with the reason, and listens no longer: %s", async (when, provider, onDelta) => {
    const controller = new AbortController();
    if (when === "before it begins") controller.abort(reason);
    const answer = fromAiSdk(shaped(provider)).generate(hello, {
      ...asking(controller.signal),
      ...(onDelta && { onDelta }),
    });
    setImmediate(() => controller.abort(reason));
    await expect(answer).rejects.toBe(reason);
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
  });

  it("cancels the stream", async () => {
    const controller = new AbortController();
    const onCancel = vi.fn();
    const stream = new ReadableStream({
      start: (to) => to.enqueue({ type: "text-delta", id: "t", delta: "a" }),
      cancel: onCancel,
    });
    const onDelta = (): void => controller.abort(reason);
    const answer = fromAiSdk(shaped({ doStream: async () => ({ stream }) })).generate(hello, {
      ...asking(controller.signal),
      onDelta,
    });
    await expect(answer).rejects.toBe(reason);
    await vi.waitFor(() => expect(onCancel).toHaveBeenCalledOnce());
  });

  it("leaves no listener behind when it succeeds, either", async () => {
    const { signal } = new AbortController();
    const model = fromAiSdk(shaped({ doGenerate: async () => ({ content: [], finishReason: "stop", usage: {} }) }));
    await model.generate(hello, asking(signal));
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });
});

describe("a stream that breaks", () => {
  const delta = { type: "text-delta", id: "t", delta: "half an answer" };
  const streaming = (
    parts: readonly object[],
    end: (to: ReadableStreamDefaultController) => void,
  ): Promise<ModelAnswer> => {
    const stream = new ReadableStream({
      start: (to) => {
        for (const part of parts) to.enqueue(part);
      },
      pull: end,
    });
    return fromAiSdk(shaped({ doStream: async () => ({ stream }) })).generate(hello, {
      ...asking(),
      onDelta: () => undefined,
    });
  };

  it.each([
    [
      "by an error of the connection",
      [delta],
      (to: ReadableStreamDefaultController) => to.error(new TypeError("terminated")),
    ],
    ["by ending early", [delta], (to: ReadableStreamDefaultController) => to.close()],
    ["by a part that says so", [delta, { type: "error", error: new Error("overloaded") }], () => undefined],
  ])("%s fails, and says what was received", async (_, parts, end) => {
    const error: unknown = await streaming(parts, end).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "MODEL_UNAVAILABLE" });
    const [billed] = billedOf(error);
    expect(billed).toMatchObject({ model: { provider: "acme", id: "a-1" }, usage: { estimated: true } });
    expect(billed?.usage.outputTokens).toBeGreaterThan(3);
  });

  it("by a refusal is refused", async () => {
    const refused = Object.assign(new Error("policy"), { statusCode: 400 });
    await expect(streaming([{ type: "error", error: refused }], () => undefined)).rejects.toMatchObject({
      code: "MODEL_REFUSED",
    });
  });
});
