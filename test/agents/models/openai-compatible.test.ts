import { getEventListeners } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { billedOf } from "../../../src/agents/models/failures.ts";
import { type MockServer, mockServer } from "../../../src/agents/models/mock-server/server.ts";
import { openAiCompatible, openAiCompatibleEmbedder } from "../../../src/agents/models/openai-compatible.ts";
import { Order } from "../../../src/agents/models/scripted/scripted-model.ts";
import type { ScriptStep } from "../../../src/agents/models/scripted/script.ts";
import type { Model, ModelAnswer, ModelDelta, ModelRequest } from "../../../src/ports/model.ts";

let server: MockServer | undefined;
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  server = undefined;
});

async function modelFor(...steps: readonly ScriptStep[]): Promise<Model & { readonly server: MockServer }> {
  const order = new Order(steps, false);
  server = await mockServer({ next: (request) => order.next(request) });
  return { ...openAiCompatible({ baseUrl: server.url, model: "m-1", apiKey: "sk-very-secret-key" }), server };
}

const hello: ModelRequest = { messages: [{ role: "user", text: "hello" }], settings: {} };
const asking = { signal: new AbortController().signal, idempotencyKey: "run-1#0" };

/** Whole and streamed must come to the same. */
const WAYS = [
  ["whole", false],
  ["streamed", true],
] as const;

function ask(model: Model, streamed: boolean, deltas: ModelDelta[] = []): Promise<ModelAnswer> {
  const onDelta = (delta: ModelDelta): void => void deltas.push(delta);
  return model.generate(hello, { ...asking, ...(streamed && { onDelta }) });
}

describe.each(WAYS)("an answer that comes %s", (_, streamed) => {
  it("has text, reasoning, calls and usage", async () => {
    const calls = [
      { name: "search", arguments: { query: 'a "b" ü' }, id: "c1" },
      { name: "now", id: "c2" },
    ];
    const model = await modelFor({
      text: "I look it up.",
      reasoning: "hm",
      calls,
      usage: { inputTokens: 11, outputTokens: 7 },
    });
    expect(await ask(model, streamed)).toEqual({
      text: "I look it up.",
      reasoning: "hm",
      calls: [
        { id: "c1", name: "search", arguments: { query: 'a "b" ü' } },
        { id: "c2", name: "now", arguments: {} },
      ],
      finish: "tool-calls",
      usage: { inputTokens: 11, outputTokens: 7 },
      model: "m-1",
    });
  });

  it.each([
    [{ error: { status: 429, retryAfterMs: 1_500 } }, { code: "MODEL_RATE_LIMITED", delayMs: 1_500 }],
    [{ error: 500 }, { code: "MODEL_UNAVAILABLE" }],
    [{ error: { status: 503, retryAfterMs: 2_000 } }, { code: "MODEL_UNAVAILABLE", delayMs: 2_000 }],
    [
      { error: { status: 400, message: "no such model" } },
      { code: "MODEL_REFUSED", message: expect.stringContaining("400 no such model") as string },
    ],
    [{ malformed: true }, { code: "MODEL_ANSWER_UNREADABLE" }],
    [{ dropped: true }, { code: "MODEL_UNAVAILABLE" }],
  ] as const)("fails as %o says", async (step, error) => {
    await expect(ask(await modelFor(step), streamed)).rejects.toMatchObject(error);
  });

  it("ends at once when it is aborted, and listens no longer", async () => {
    const model = await modelFor({ hang: true });
    const controller = new AbortController();
    const options = { ...asking, signal: controller.signal, ...(streamed && { onDelta: () => undefined }) };
    const answer = model.generate(hello, options);
    await expect.poll(() => model.server.requests.length).toBe(1);
    controller.abort(new Error("enough"));
    await expect(answer).rejects.toThrow("enough");
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
  });
});

describe("a stream", () => {
  it("tells its pieces as they come", async () => {
    const deltas: ModelDelta[] = [];
    const model = await modelFor({ chunks: ["Hel", "lo"], reasoning: "hm", calls: [{ name: "t", id: "c1" }] });
    await ask(model, true, deltas);
    expect(deltas).toEqual([
      { type: "reasoning", text: "hm" },
      { type: "text", text: "Hel" },
      { type: "text", text: "lo" },
      { type: "tool-call", id: "c1", name: "t" },
    ]);
  });

  it.each([
    ["is dropped", { dropped: true }, "MODEL_UNAVAILABLE"],
    ["turns into nonsense", { malformed: true }, "MODEL_ANSWER_UNREADABLE"],
    ["turns into an error", { error: 429 }, "MODEL_RATE_LIMITED"],
  ] as const)("that %s in the middle is billed for what has come", async (_, how, code) => {
    const deltas: ModelDelta[] = [];
    const model = await modelFor({ chunks: ["half ", "an answer"], ...how });
    const error: unknown = await ask(model, true, deltas).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code });
    expect(deltas).toHaveLength(2);
    expect(billedOf(error)[0]).toMatchObject({ model: { id: "m-1" }, usage: { estimated: true } });
    expect(billedOf(error)[0]?.usage.outputTokens).toBeGreaterThan(3);
  });
});

describe("a request", () => {
  it("says all that it was given, in OpenAI's words", async () => {
    const model = await modelFor("ok");
    const schema = {
      type: "object",
      properties: { a: { type: "string" } },
      required: ["a"],
      additionalProperties: false,
    };
    await model.generate(
      {
        messages: [
          { role: "system", text: "Be brief." },
          { role: "user", text: "hello" },
          { role: "assistant", text: "", calls: [{ id: "c1", name: "t", arguments: { a: 1 } }] },
          {
            role: "tool",
            answers: [
              { id: "c1", name: "t", output: { b: 2 } },
              { id: "c2", name: "u", output: "no", isError: true },
            ],
          },
        ],
        tools: [{ name: "t", description: "Does.", parameters: { type: "object" } }],
        output: { name: "report", schema },
        settings: {
          temperature: 0,
          topP: 1,
          topK: 5,
          seed: 3,
          stopSequences: ["."],
          maxOutputTokens: 9,
          providerOptions: { "openai-compatible": { user: "u" }, other: { x: 1 } },
        },
      },
      asking,
    );
    const [asked] = model.server.requests;
    expect(asked?.headers).toMatchObject({ authorization: "Bearer sk-very-secret-key", "idempotency-key": "run-1#0" });
    expect(asked?.body).toEqual({
      model: "m-1",
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "hello" },
        {
          role: "assistant",
          content: "",
          tool_calls: [{ id: "c1", type: "function", function: { name: "t", arguments: '{"a":1}' } }],
        },
        { role: "tool", tool_call_id: "c1", content: '{"b":2}' },
        { role: "tool", tool_call_id: "c2", content: "Error: no" },
      ],
      max_tokens: 9,
      temperature: 0,
      top_p: 1,
      top_k: 5,
      seed: 3,
      stop: ["."],
      tools: [{ type: "function", function: { name: "t", description: "Does.", parameters: { type: "object" } } }],
      response_format: { type: "json_schema", json_schema: { name: "report", schema, strict: true } },
      user: "u",
    });
  });

  it("holds a server to a schema only where the schema leaves nothing open", async () => {
    const model = await modelFor("ok");
    const output = { name: "r", schema: { type: "object", properties: { a: { type: "string" } } } };
    await model.generate({ ...hello, output }, asking);
    expect(model.server.requests[0]?.body).toMatchObject({ response_format: { json_schema: output } });
    expect(JSON.stringify(model.server.requests[0]?.body)).not.toContain("strict");
  });
});

/** What servers say that ours does not. */
describe("another server's answer", () => {
  const served = (body: string, status = 200): Model =>
    openAiCompatible({ baseUrl: "http://any/v1/", model: "m", fetch: async () => new Response(body, { status }) });

  it("is counted by its text when it has no usage, and costs what it says", async () => {
    const body = { choices: [{ message: { content: "hi" }, finish_reason: "length" }], usage: { cost: 0.000435 } };
    const answer = await served(JSON.stringify(body)).generate(hello, asking);
    expect(answer).toMatchObject({ text: "hi", finish: "length", costMicroUsd: 435, usage: { estimated: true } });
  });

  it("may keep its cache and its reasoning apart, and its arguments as an object", async () => {
    const call = { function: { name: "t", arguments: { a: 1 } } };
    const usage = {
      prompt_tokens: 9,
      completion_tokens: 5,
      prompt_tokens_details: { cached_tokens: 4 },
      completion_tokens_details: { reasoning_tokens: 2 },
    };
    const body = {
      choices: [{ message: { content: null, tool_calls: [call, call] }, finish_reason: "tool_calls" }],
      usage,
    };
    expect(await served(JSON.stringify(body)).generate(hello, asking)).toMatchObject({
      text: "",
      calls: [{ id: "call-1", arguments: { a: 1 } }, { id: "call-2" }],
      usage: { inputTokens: 9, outputTokens: 5, cacheReadTokens: 4, reasoningTokens: 2 },
    });
  });

  it.each([
    ["<html>", 200, "MODEL_ANSWER_UNREADABLE", /6 characters of something else/],
    ["[]", 200, "MODEL_ANSWER_UNREADABLE", /expected a chat completion/],
    ['{"error":{"message":"overloaded","code":503}}', 200, "MODEL_UNAVAILABLE", /503 overloaded/],
    ['{"error":"bad key sk-abcdefgh12345"}', 401, "MODEL_REFUSED", /401 bad key \[secret\]/],
    [`secret body ${"x".repeat(200_000)}`, 500, "MODEL_UNAVAILABLE", /500 no reason given/],
  ])("%.20s with status %d is an error", async (body, status, code, says) => {
    await expect(served(body, status).generate(hello, asking)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(says) as string,
    });
  });

  it("may come in pieces cut anywhere, with any line ends, without a last empty line", async () => {
    const chunk = (delta: object, finish: string | null = null): string =>
      `data: ${JSON.stringify({ choices: [{ delta, finish_reason: finish }] })}`;
    const text = [
      ": hello",
      "event: x",
      chunk({ content: "gr\u00fc\u00df" }),
      "",
      chunk({ content: " dich" }),
      "",
      chunk({}, "stop"),
    ].join("\r\n");
    const bytes = new TextEncoder().encode(text);
    const body = new ReadableStream<Uint8Array>({
      start: (to) => {
        for (const byte of bytes) to.enqueue(Uint8Array.of(byte));
        to.close();
      },
    });
    const model = openAiCompatible({ baseUrl: "http://any/v1", model: "m", fetch: async () => new Response(body) });
    expect(await ask(model, true)).toMatchObject({ text: "grüß dich", finish: "stop" });
  });

  it("is missing when nobody is there", async () => {
    await using gone = await mockServer({ next: () => "" });
    await gone[Symbol.asyncDispose]();
    const model = openAiCompatible({ baseUrl: gone.url, model: "m" });
    await expect(model.generate(hello, asking)).rejects.toMatchObject({
      code: "MODEL_UNAVAILABLE",
      message: expect.stringContaining("ECONNREFUSED") as string,
    });
  });
});

describe("an embedder", () => {
  it("gives a vector for each text, the same for the same", async () => {
    server = await mockServer({ next: () => "" });
    const embedder = openAiCompatibleEmbedder({ baseUrl: server.url, model: "e-1" });
    const { vectors, usage } = await embedder.embed(["one", "two", "one"], asking);
    expect(vectors).toHaveLength(3);
    expect(vectors[0]).toEqual(vectors[2]);
    expect(vectors[0]).not.toEqual(vectors[1]);
    expect(usage).toEqual({ inputTokens: 3 });
  });

  const served = (body: object): ReturnType<typeof openAiCompatibleEmbedder> =>
    openAiCompatibleEmbedder({ baseUrl: "http://any/v1", model: "e", fetch: async () => Response.json(body) });

  it("puts vectors in order, and counts where the server does not", async () => {
    const data = [
      { index: 1, embedding: [2] },
      { index: 0, embedding: [1] },
    ];
    expect(await served({ data }).embed(["a", "b"], asking)).toEqual({
      vectors: [[1], [2]],
      usage: { inputTokens: 4, estimated: true },
    });
  });

  it("does not do with fewer vectors than texts", async () => {
    await expect(served({ data: [{ embedding: [1] }] }).embed(["a", "b"], asking)).rejects.toMatchObject({
      code: "MODEL_ANSWER_UNREADABLE",
    });
  });
});

describe("an error of a server", () => {
  it("does not repeat what it was sent to let the call in, whatever that looks like", async () => {
    const fetch = async (_: unknown, { headers }: RequestInit = {}): Promise<Response> =>
      Response.json({ error: { message: `who is ${JSON.stringify(headers)}?` } }, { status: 401 });
    const own = {
      baseUrl: "http://localhost/v1",
      model: "m",
      apiKey: "open sesame",
      headers: { "x-key": "let me in" },
      fetch,
    };
    for (const streamed of [true, false]) {
      const failed = ask(openAiCompatible(own), streamed);
      await expect(failed).rejects.toMatchObject({
        code: "MODEL_REFUSED",
        message: expect.stringContaining("[secret]"),
      });
      await expect(failed).rejects.toMatchObject({ message: expect.not.stringMatching(/sesame|let me in/) });
    }
  });
});
