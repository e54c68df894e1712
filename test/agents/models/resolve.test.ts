import { describe, expect, it } from "vitest";
import { mockServer } from "../../../src/agents/models/mock-server/server.ts";
import { resolveEmbedder, resolveModel } from "../../../src/agents/models/resolve.ts";
import { scriptedModel } from "../../../src/agents/models/scripted/scripted-model.ts";
import type { ModelRequest } from "../../../src/ports/model.ts";

const hello: ModelRequest = { messages: [{ role: "user", text: "hello" }], settings: {} };
const asking = { signal: new AbortController().signal, idempotencyKey: "k" };
const unknown = (says: RegExp): object => ({ code: "MODEL_UNKNOWN", message: expect.stringMatching(says) as string });

/** A provider's package by its shape, that remembers how it was made. */
function packaged(create: string, made: unknown[] = []): (name: string) => Promise<unknown> {
  const model = (modelId: string): object => ({
    specificationVersion: "v3",
    provider: "maker.chat",
    modelId,
    doGenerate: async () => ({ content: [{ type: "text", text: "hi" }], finishReason: "stop", usage: {} }),
    doEmbed: async () => ({ embeddings: [[1]] }),
  });
  return async (name) => ({
    [create]: (options: unknown) => {
      made.push(name, options);
      return { languageModel: model, embeddingModel: model };
    },
  });
}

describe("a model by its name", () => {
  it.each([
    ["openai:gpt-4o", "createOpenAI", "@ai-sdk/openai", "OPENAI_API_KEY"],
    ["anthropic:claude-sonnet-4-5", "createAnthropic", "@ai-sdk/anthropic", "ANTHROPIC_API_KEY"],
    ["google:gemini-2.5-pro", "createGoogleGenerativeAI", "@ai-sdk/google", "GOOGLE_GENERATIVE_AI_API_KEY"],
    ["google:gemini-2.5-pro", "createGoogleGenerativeAI", "@ai-sdk/google", "GEMINI_API_KEY"],
    ["mistral:mistral-large-latest", "createMistral", "@ai-sdk/mistral", "MISTRAL_API_KEY"],
    ["groq:llama-3.3-70b-versatile", "createGroq", "@ai-sdk/groq", "GROQ_API_KEY"],
  ])("%s is %s of %s with %s", async (choice, create, packageName, key) => {
    const made: unknown[] = [];
    const model = await resolveModel(choice, { env: { [key]: "secret" }, load: packaged(create, made) });
    expect(made).toEqual([packageName, { apiKey: "secret" }]);
    expect(model.id).toBe(choice.split(":")[1]);
    expect((await model.generate(hello, asking)).text).toBe("hi");
  });

  it("goes to another address where the environment names one", async () => {
    const made: unknown[] = [];
    const env = { OPENAI_API_KEY: "k", OPENAI_BASE_URL: "http://gateway/v1" };
    await resolveModel("openai:ft:gpt-4o:me", { env, load: packaged("createOpenAI", made) });
    expect(made[1]).toEqual({ apiKey: "k", baseURL: "http://gateway/v1" });
  });

  it("is itself when it is a model already", async () => {
    const model = scriptedModel([]);
    expect(await resolveModel(model, { env: {} })).toBe(model);
  });

  it.each([
    ["openai:gpt-4o", /OPENAI_API_KEY/],
    ["google:gemini-2.5-pro", /GOOGLE_GENERATIVE_AI_API_KEY or GEMINI_API_KEY/],
  ])("%s needs its key, and says in which variable", async (choice, says) => {
    const failed = resolveModel(choice, { env: { OPENAI_API_KEY: "" }, load: packaged("createOpenAI") });
    await expect(failed).rejects.toMatchObject({
      code: "MODEL_KEY_MISSING",
      message: expect.stringMatching(says) as string,
    });
  });

  it("needs its package, and says how to install it", async () => {
    const failed = resolveModel("groq:llama-3.3-70b-versatile", { env: { GROQ_API_KEY: "k" } });
    await expect(failed).rejects.toMatchObject({
      code: "DEPENDENCY_MISSING",
      message: expect.stringContaining("npm i @ai-sdk/groq") as string,
    });
    await expect(resolveModel("groq:llama-3.3-70b-versatile", { env: {} })).rejects.toMatchObject({
      code: "DEPENDENCY_MISSING",
      message: expect.stringContaining("npm i @ai-sdk/groq, and a key in GROQ_API_KEY") as string,
    });
    const old = resolveModel("openai:gpt-4o", { env: { OPENAI_API_KEY: "k" }, load: async () => ({}) });
    await expect(old).rejects.toMatchObject({
      code: "DEPENDENCY_MISSING",
      message: expect.stringContaining("has no createOpenAI") as string,
    });
  });

  it.each([
    ["gpt-4o", /did you mean "openai:gpt-4o"\?/],
    ["claude-sonnet-4-5", /did you mean "anthropic:claude-sonnet-4-5"\?/],
    ["llama3.2:1b", /did you mean "ollama:llama3.2:1b"\?/],
    ["opnai:gpt-4o", /known: openai, .*; did you mean "openai"\?/],
    ["constructor:x", /names no provider that is known/],
    ["nonsense", /names no provider that is known/],
    ["openai:", /names no model, as "openai:gpt-4o" does/],
    ["", /names no provider/],
    ["openai-compatible:llama", /expected "openai-compatible:http/],
    ["openai-compatible:http://host/v1", /expected "openai-compatible:http/],
    ["openai-compatible:ftp://host/v1#m", /expected "openai-compatible:http/],
  ])("%j is unknown, with advice", async (choice, says) => {
    await expect(resolveModel(choice, { env: { OPENAI_API_KEY: "k" } })).rejects.toMatchObject(unknown(says));
  });
});

describe("a server by its address", () => {
  const compatible = {
    provider: "openai-compatible",
    choice: "openai-compatible:http://HOST/v1#some/model",
    authorization: "Bearer key",
  };
  const ollama = { provider: "ollama", choice: "ollama:some/model", authorization: undefined };

  it.each([
    { ...compatible, variable: "OPENAI_COMPATIBLE_API_KEY", value: "key" },
    { ...ollama, variable: "OLLAMA_HOST", value: "HOST" },
    { ...ollama, variable: "OLLAMA_HOST", value: "http://ALL/" },
  ])(
    "$provider is spoken to without a package, $variable being $value",
    async ({ provider, choice, authorization, variable, value }) => {
      await using server = await mockServer({ next: () => "hi" });
      const { host, port } = new URL(server.url);
      const placed = (text: string): string => text.replace("HOST", host).replace("ALL", `0.0.0.0:${port}`);
      const env = { [variable]: placed(value) };
      const model = await resolveModel(placed(choice), { env });
      expect(model).toMatchObject({ provider, id: "some/model" });
      expect((await model.generate(hello, asking)).text).toBe("hi");
      expect((await (await resolveEmbedder(placed(choice), { env })).embed(["a"], asking)).vectors).toHaveLength(1);
      expect(server.requests[0]?.headers.authorization).toBe(authorization);
    },
  );

  it("is refused where Ollama's is none", async () => {
    await expect(resolveModel("ollama:m", { env: { OLLAMA_HOST: "a b" } })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
    });
  });
});

describe("an embedder by its name", () => {
  it("comes from the same packages", async () => {
    const embedder = await resolveEmbedder("openai:text-embedding-3-small", {
      env: { OPENAI_API_KEY: "k" },
      load: packaged("createOpenAI"),
    });
    expect(embedder).toMatchObject({ provider: "maker", id: "text-embedding-3-small" });
    expect(await resolveEmbedder(embedder, { env: {} })).toBe(embedder);
  });

  it("is not to be had from every provider", async () => {
    await expect(resolveEmbedder("anthropic:claude", { env: { ANTHROPIC_API_KEY: "k" } })).rejects.toMatchObject(
      unknown(/anthropic has no embedding models; openai, google, mistral, ollama, openai-compatible have/),
    );
  });
});
