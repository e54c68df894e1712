import type { Embedder, GenerateOptions, Model, ModelAnswer, ModelRequest, Price } from "../../ports/model.ts";
import { modelFailure } from "./failures.ts";
import { AnswerReader, isRecord } from "./openai/answer.ts";
import { type Endpoint, json, parsed, post, reasonOf, texts } from "./openai/http.ts";
import { chatBody } from "./openai/request.ts";
import { eventData } from "./openai/sse.ts";
import { estimateInput, estimateTokens } from "./tokens.ts";

export interface OpenAiCompatibleOptions {
  /** Up to and with `/v1`: "http://127.0.0.1:11434/v1". */
  readonly baseUrl: string;
  /** What the server calls the model. */
  readonly model: string;
  /** Sent as `Authorization: Bearer …`. */
  readonly apiKey?: string;
  /** Who bills. Default "openai-compatible". Its `providerOptions` go into the body as they are. */
  readonly provider?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly price?: Price;
  /** Default: the global one. */
  readonly fetch?: typeof globalThis.fetch;
}

/**
 * A model behind any server that speaks OpenAI's chat completions: Ollama, vLLM, LM Studio, llama.cpp, OpenRouter and others. Needs
 * no package. Streams, tools and JSON schemas are asked for where the request wants them.
 *
 *   const model = openAiCompatible({ baseUrl: "http://127.0.0.1:11434/v1", model: "llama3.2" });
 */
export function openAiCompatible(options: OpenAiCompatibleOptions): Model {
  const endpoint = endpointOf(options);
  return {
    ...endpoint.model,
    generate: async (request, asking) => {
      try {
        asking.signal.throwIfAborted();
        return asking.onDelta === undefined
          ? await whole(endpoint, request, asking)
          : await stream(endpoint, request, asking);
      } catch (error) {
        if (asking.signal.aborted) throw asking.signal.reason;
        throw modelFailure(error, endpoint);
      }
    },
  };
}

function endpointOf({
  baseUrl,
  model,
  apiKey,
  provider = "openai-compatible",
  headers = {},
  price,
  fetch,
}: OpenAiCompatibleOptions): Endpoint {
  return {
    model: { provider, id: model, ...(price && { price }) },
    baseUrl,
    headers: { ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }), ...headers },
    secrets: [...(apiKey === undefined ? [] : [apiKey]), ...Object.values(headers)],
    fetch: fetch ?? globalThis.fetch,
  };
}

const chat = (
  { model }: Endpoint,
  request: ModelRequest,
  { signal, idempotencyKey, onDelta }: GenerateOptions,
): Parameters<typeof post>[1] => ({
  path: "/chat/completions",
  body: chatBody(request, { model: model.id, provider: model.provider, stream: onDelta !== undefined }),
  headers: { "idempotency-key": idempotencyKey },
  signal,
});

async function whole(endpoint: Endpoint, request: ModelRequest, options: GenerateOptions): Promise<ModelAnswer> {
  const response = await post(endpoint, chat(endpoint, request, options));
  const reader = new AnswerReader();
  const body = await json(response, options.signal);
  if (!reader.take(body) || !reader.isComplete) throw notCompletion(body);
  return reader.answer(request);
}

/** Some gateways say 200 and put the error into the body. */
function notCompletion(body: unknown): Error {
  const { error } = isRecord(body) ? body : {};
  const code = isRecord(error) ? error["code"] : undefined;
  if (error === undefined || error === null) return new SyntaxError("expected a chat completion");
  return Object.assign(new Error(reasonOf(body) ?? "no reason given"), {
    status: typeof code === "number" ? code : 500,
  });
}

async function stream(endpoint: Endpoint, request: ModelRequest, options: GenerateOptions): Promise<ModelAnswer> {
  const { signal, onDelta } = options;
  const response = await post(endpoint, chat(endpoint, request, options));
  const reader = new AnswerReader(onDelta);
  try {
    for await (const data of eventData(texts(response, signal))) {
      if (data === "[DONE]") break;
      const chunk = parsed(data);
      if (!reader.take(chunk)) throw notCompletion(chunk);
    }
    if (!reader.isComplete) throw new Error("the stream ended before its answer did");
    return reader.answer(request);
  } catch (error) {
    if (signal.aborted) throw error;
    const usage = {
      inputTokens: estimateInput(request),
      outputTokens: estimateTokens(reader.received),
      estimated: true,
    } as const;
    throw modelFailure(error, { ...endpoint, usage });
  }
}

/** An embedding model behind the same servers. */
export function openAiCompatibleEmbedder(options: OpenAiCompatibleOptions): Embedder {
  const endpoint = endpointOf(options);
  const { provider, id } = endpoint.model;
  return {
    provider,
    id,
    embed: async (texts, { signal }) => {
      try {
        signal.throwIfAborted();
        const response = await post(endpoint, { path: "/embeddings", body: { model: id, input: texts }, signal });
        return embeddings(texts, await json(response, signal));
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        throw modelFailure(error, endpoint);
      }
    },
  };
}

/** In the order of the texts: servers may answer in another. */
function embeddings(texts: readonly string[], body: unknown): Awaited<ReturnType<Embedder["embed"]>> {
  const { data, usage } = isRecord(body) ? body : {};
  const rows = Array.isArray(data) ? data.filter(isRecord) : [];
  const byIndex = new Map(rows.map(({ index, embedding }, at) => [index ?? at, embedding]));
  const vectors = texts.map((_, index) => byIndex.get(index)).filter(isVector);
  if (vectors.length !== texts.length)
    throw new SyntaxError(`expected ${texts.length} vectors but found ${vectors.length}`);
  const said = isRecord(usage) ? (usage["prompt_tokens"] ?? usage["total_tokens"]) : undefined;
  if (typeof said === "number") return { vectors, usage: { inputTokens: said } };
  return {
    vectors,
    usage: { inputTokens: texts.reduce((sum, text) => sum + estimateTokens(text), 0), estimated: true },
  };
}

const isVector = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.every((number) => typeof number === "number");
