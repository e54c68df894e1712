import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type AiSdkModel, embedderFromAiSdk, fromAiSdk, type Model } from "../../src/ai-sdk.ts";
import type { ModelDelta, ModelRequest } from "../../src/ports/model.ts";
import { GENERATIONS, installed } from "./generations.ts";

const ROOT = join(import.meta.dirname, "../..");
const title = (name: string): string => (installed.run ? name : `${name} (${installed.reason})`);
const signal = new AbortController().signal;
const asking = { signal, idempotencyKey: "run-1/step#0" };
const request: ModelRequest = {
  messages: [
    { role: "system", text: "Be brief." },
    { role: "user", text: "What is the weather in Rome?" },
    { role: "assistant", text: "Let me look.", calls: [{ id: "c1", name: "weather", arguments: { city: "Rome" } }] },
    {
      role: "tool",
      answers: [
        { id: "c1", name: "weather", output: { sky: "clear" } },
        { id: "c2", name: "news", output: "denied", isError: true },
      ],
    },
  ],
  tools: [{ name: "weather", description: "Says the weather.", parameters: { type: "object" } }],
  output: { name: "report", schema: { type: "object", properties: {} } },
  settings: {
    temperature: 0.5,
    topP: 0.9,
    topK: 3,
    seed: 7,
    stopSequences: ["END"],
    providerOptions: { mock: { fast: true } },
  },
};
const hello: ModelRequest = { messages: [{ role: "user", text: "hello" }], settings: {} };

interface Recording {
  readonly doGenerateCalls: readonly Record<string, unknown>[];
  readonly doStreamCalls: readonly Record<string, unknown>[];
}

describe.skipIf(!installed.run).each(GENERATIONS)(
  title("a mock model of $name"),
  ({ specification, mocks, usage, finish }) => {
    const make = async (options: object): Promise<{ readonly model: Model; readonly mock: AiSdkModel & Recording }> => {
      const { language } = await mocks();
      const mock = new language({ provider: "mock.chat", modelId: "m-1", ...options }) as AiSdkModel & Recording;
      return { mock, model: fromAiSdk(mock) };
    };
    const result = (content: readonly object[], reason = "stop"): object => ({
      content,
      finishReason: finish(reason),
      usage: usage({ input: 12, output: 8, cacheRead: 5, reasoning: 3 }),
      warnings: [],
      response: { modelId: "m-1-2026" },
    });
    const streamOf = (parts: readonly object[]): object => ({
      stream: new ReadableStream({
        start: (controller) => {
          for (const part of parts) controller.enqueue(part);
          controller.close();
        },
      }),
    });

    it(`speaks ${specification}`, async () => {
      const { mock, model } = await make({});
      expect(mock.specificationVersion).toBe(specification);
      expect(model).toMatchObject({ provider: "mock", id: "m-1" });
    });

    it("is asked in its own words", async () => {
      const { mock, model } = await make({ doGenerate: result([{ type: "text", text: "clear" }]) });
      await model.generate(request, asking);
      expect(mock.doGenerateCalls).toEqual([
        {
          prompt: [
            { role: "system", content: "Be brief." },
            { role: "user", content: [{ type: "text", text: "What is the weather in Rome?" }] },
            {
              role: "assistant",
              content: [
                { type: "text", text: "Let me look." },
                { type: "tool-call", toolCallId: "c1", toolName: "weather", input: { city: "Rome" } },
              ],
            },
            {
              role: "tool",
              content: [
                {
                  type: "tool-result",
                  toolCallId: "c1",
                  toolName: "weather",
                  output: { type: "json", value: { sky: "clear" } },
                },
                {
                  type: "tool-result",
                  toolCallId: "c2",
                  toolName: "news",
                  output: { type: "error-text", value: "denied" },
                },
              ],
            },
          ],
          maxOutputTokens: 4_096,
          temperature: 0.5,
          topP: 0.9,
          topK: 3,
          seed: 7,
          stopSequences: ["END"],
          responseFormat: { type: "json", name: "report", schema: { type: "object", properties: {} } },
          tools: [
            { type: "function", name: "weather", description: "Says the weather.", inputSchema: { type: "object" } },
          ],
          providerOptions: { mock: { fast: true } },
          abortSignal: signal,
          headers: { "idempotency-key": "run-1/step#0" },
        },
      ]);
    });

    it("answers with text, reasoning, calls and usage", async () => {
      const { model } = await make({
        doGenerate: result(
          [
            { type: "reasoning", text: "hm" },
            { type: "text", text: "I look." },
            { type: "tool-call", toolCallId: "c1", toolName: "weather", input: '{"city":"Rome"}' },
          ],
          "tool-calls",
        ),
      });
      expect(await model.generate(hello, asking)).toEqual({
        text: "I look.",
        reasoning: "hm",
        calls: [{ id: "c1", name: "weather", arguments: { city: "Rome" } }],
        finish: "tool-calls",
        usage: { inputTokens: 12, outputTokens: 8, cacheReadTokens: 5, reasoningTokens: 3 },
        model: "m-1-2026",
      });
    });

    it("streams what it would have answered at once", async () => {
      const end = { type: "finish", finishReason: finish("stop"), usage: usage({ input: 12, output: 8 }) };
      const parts = [
        { type: "stream-start", warnings: [] },
        { type: "response-metadata", modelId: "m-1-2026" },
        { type: "reasoning-start", id: "r" },
        { type: "reasoning-delta", id: "r", delta: "hm" },
        { type: "reasoning-end", id: "r", providerMetadata: { mock: { signature: "s" } } },
        { type: "text-start", id: "t" },
        { type: "text-delta", id: "t", delta: "Hel" },
        { type: "text-delta", id: "t", delta: "lo" },
        { type: "text-end", id: "t" },
        { type: "tool-input-start", id: "c1", toolName: "weather" },
        { type: "tool-input-delta", id: "c1", delta: '{"city":' },
        { type: "tool-input-end", id: "c1" },
        { type: "tool-call", toolCallId: "c1", toolName: "weather", input: '{"city":"Rome"}' },
        end,
      ];
      const { model } = await make({ doStream: async () => streamOf(parts) });
      const deltas: ModelDelta[] = [];
      const answer = await model.generate(hello, { ...asking, onDelta: (delta) => void deltas.push(delta) });
      expect(answer).toMatchObject({
        text: "Hello",
        reasoning: "hm",
        calls: [{ id: "c1", name: "weather", arguments: { city: "Rome" } }],
        finish: "stop",
        usage: { inputTokens: 12, outputTokens: 8 },
        model: "m-1-2026",
      });
      expect(deltas).toEqual([
        { type: "reasoning", text: "hm" },
        { type: "text", text: "Hel" },
        { type: "text", text: "lo" },
        { type: "tool-call", id: "c1", name: "weather" },
      ]);
    });

    it("gets back what it wants back, in its order, unread", async () => {
      const content = [
        { type: "reasoning", text: "hm", providerMetadata: { mock: { signature: "s1" } } },
        { type: "text", text: "One. ", providerMetadata: { mock: { itemId: "i1" } } },
        { type: "text", text: "Two." },
        {
          type: "tool-call",
          toolCallId: "c1",
          toolName: "weather",
          input: "{}",
          providerMetadata: { mock: { itemId: "i2" } },
        },
      ];
      const { mock, model } = await make({ doGenerate: result(content) });
      const { text, calls, provider = null } = await model.generate(hello, asking);
      const told: ModelRequest = { messages: [{ role: "assistant", text, calls, provider }], settings: {} };
      await model.generate(told, asking);
      expect(mock.doGenerateCalls[1]?.["prompt"]).toEqual([
        {
          role: "assistant",
          content: [
            { type: "reasoning", text: "hm", providerOptions: { mock: { signature: "s1" } } },
            { type: "text", text: "One. ", providerOptions: { mock: { itemId: "i1" } } },
            { type: "text", text: "Two." },
            {
              type: "tool-call",
              toolCallId: "c1",
              toolName: "weather",
              input: {},
              providerOptions: { mock: { itemId: "i2" } },
            },
          ],
        },
      ]);
    });

    it("embeds texts in as many calls as it wants", async () => {
      const { embedding } = await mocks();
      const embedder = embedderFromAiSdk(
        new embedding({
          provider: "mock.embedding",
          modelId: "e-1",
          maxEmbeddingsPerCall: 2,
          doEmbed: async ({ values }: { readonly values: readonly string[] }) => ({
            embeddings: values.map((value) => [value.length]),
            usage: { tokens: values.length * 10 },
            warnings: [],
          }),
        }),
      );
      expect(embedder).toMatchObject({ provider: "mock", id: "e-1" });
      expect(await embedder.embed(["a", "bb", "ccc"], { signal })).toEqual({
        vectors: [[1], [2], [3]],
        usage: { inputTokens: 30 },
      });
    });
  },
);

describe.skipIf(!installed.run)(title("the types of every generation"), () => {
  it("fit the shapes that we ask for", () => {
    const folder = join(import.meta.dirname, "node_modules", ".flujo-types");
    mkdirSync(folder, { recursive: true });
    const lines = ["5", "6", "7"].flatMap((major) => [
      `import type { EmbeddingModel as E${major}, LanguageModel as M${major} } from "ai${major}";`,
      `declare const m${major}: Exclude<M${major}, string>; fromAiSdk(m${major});`,
      `declare const e${major}: Exclude<E${major}, string>; embedderFromAiSdk(e${major});`,
    ]);
    const source = join(ROOT, "src/ai-sdk.ts");
    writeFileSync(
      join(folder, "fits.ts"),
      [`import { embedderFromAiSdk, fromAiSdk } from ${JSON.stringify(source)};`, ...lines].join("\n"),
    );
    const options = {
      strict: true,
      noEmit: true,
      module: "nodenext",
      target: "es2022",
      lib: ["es2023", "esnext.disposable", "dom"],
      types: ["node"],
      typeRoots: [join(ROOT, "node_modules/@types")],
      skipLibCheck: true,
      allowImportingTsExtensions: true,
      exactOptionalPropertyTypes: true,
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["fits.ts"] }));
    const compile = (): string =>
      execFileSync(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", folder], {
        encoding: "utf8",
        stdio: "pipe",
      });
    expect(compile).not.toThrow();
  });
});
