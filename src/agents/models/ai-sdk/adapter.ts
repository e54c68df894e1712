import type { Embedder, GenerateOptions, Model, ModelAnswer, Price } from "../../../ports/model.ts";
import { untilAborted } from "../abort.ts";
import { modelFailure, unreadable } from "../failures.ts";
import { estimateTokens } from "../tokens.ts";
import { answerFrom, type Asked, resultFrom } from "./answer.ts";
import { callOptions } from "./prompt.ts";
import {
  type AiSdkEmbedder,
  type AiSdkModel,
  billerOf,
  type CallableEmbedder,
  type CallableModel,
  checkShape,
  isRecord,
} from "./shape.ts";
import { StreamReader } from "./stream.ts";

export interface AiSdkOptions {
  /** What the model costs, where no price list knows it, or to overrule one. */
  readonly price?: Price;
}

/**
 * A model of any provider package of the AI SDK (specifications v2, v3 and v4: `ai` 5, 6 and 7). It is called directly: the loop of
 * an agent, its retries and its budget stay with the engine. Throws MODEL_UNKNOWN for anything else.
 *
 *   const model = fromAiSdk(openai("gpt-4o"));
 */
export function fromAiSdk(model: AiSdkModel, { price }: AiSdkOptions = {}): Model {
  checkShape(model, "doGenerate");
  const callable = model as CallableModel;
  const { provider, modelId } = model;
  const self: Model = {
    provider: billerOf(provider),
    id: modelId,
    ...(price && { price }),
    generate: async (request, options) => {
      options.signal.throwIfAborted();
      try {
        return await ask(callable, { request, provider, modelId }, options);
      } catch (error) {
        if (options.signal.aborted) throw options.signal.reason;
        throw modelFailure(error, { model: self });
      }
    },
  };
  return self;
}

async function ask(model: CallableModel, asked: Asked, options: GenerateOptions): Promise<ModelAnswer> {
  const { signal, onDelta } = options;
  const call = callOptions(asked.request, options, asked.provider);
  if (onDelta === undefined || model.doStream === undefined) {
    return answerFrom(resultFrom(await untilAborted(signal, model.doGenerate(call)), asked), asked);
  }
  const result = await untilAborted(signal, model.doStream(call));
  return answerFrom(await new StreamReader(asked, onDelta).read(result, signal), asked);
}

/** An embedding model of the same packages. Texts go in as many calls as the provider wants. Throws MODEL_UNKNOWN. */
export function embedderFromAiSdk(model: AiSdkEmbedder): Embedder {
  checkShape(model, "doEmbed");
  const callable = model as CallableEmbedder;
  const named = { provider: billerOf(model.provider), id: model.modelId };
  return {
    ...named,
    embed: async (texts, { signal }) => {
      const atOnce = Math.max(1, (await model.maxEmbeddingsPerCall) ?? Number.POSITIVE_INFINITY);
      const vectors: (readonly number[])[] = [];
      let [inputTokens, estimated] = [0, false];
      for (let from = 0; from < texts.length; from += atOnce) {
        signal.throwIfAborted();
        const values = texts.slice(from, from + atOnce);
        const got = await embedSome(callable, { values, signal, named });
        vectors.push(...got.vectors);
        inputTokens += got.tokens ?? values.reduce((sum, text) => sum + estimateTokens(text), 0);
        estimated ||= got.tokens === undefined;
      }
      return { vectors, usage: { inputTokens, ...(estimated && { estimated: true }) } };
    },
  };
}

interface Batch {
  readonly values: readonly string[];
  readonly signal: AbortSignal;
  readonly named: Pick<Model, "provider" | "id">;
}

async function embedSome(
  model: CallableEmbedder,
  { values, signal, named }: Batch,
): Promise<{ readonly vectors: readonly (readonly number[])[]; readonly tokens: number | undefined }> {
  try {
    const result = await untilAborted(signal, model.doEmbed({ values, abortSignal: signal }));
    const { embeddings, usage } = isRecord(result) ? result : {};
    if (!Array.isArray(embeddings) || embeddings.length !== values.length) {
      throw unreadable(
        named,
        `expected ${values.length} vectors but found ${Array.isArray(embeddings) ? embeddings.length : "none"}`,
      );
    }
    const tokens = isRecord(usage) ? usage["tokens"] : undefined;
    return {
      vectors: embeddings as readonly (readonly number[])[],
      tokens: typeof tokens === "number" && tokens >= 0 ? tokens : undefined,
    };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw modelFailure(error, { model: named });
  }
}
