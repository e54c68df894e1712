import { FlujoError } from "../../../domain/errors.ts";

/*
 * Models of the AI SDK by their shape, for versions 2 to 4 of its specification: nothing of it is imported, so a user brings the
 * version he has. The calls below are alike in all three; where answers differ, `answer.ts` reads both forms.
 */

/** A language model of any provider package of the AI SDK. */
export interface AiSdkModel {
  readonly specificationVersion: string;
  readonly provider: string;
  readonly modelId: string;
  doGenerate(options: never): PromiseLike<unknown>;
  doStream?(options: never): PromiseLike<unknown>;
}

/** An embedding model of the same. */
export interface AiSdkEmbedder {
  readonly specificationVersion: string;
  readonly provider: string;
  readonly modelId: string;
  readonly maxEmbeddingsPerCall?: PromiseLike<number | undefined> | number | undefined;
  doEmbed(options: never): PromiseLike<unknown>;
}

export type ProviderOptions = Readonly<Record<string, unknown>>;

/** What all three specifications take. */
export interface CallOptions {
  readonly prompt: readonly PromptMessage[];
  readonly maxOutputTokens: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly seed?: number;
  readonly stopSequences?: readonly string[];
  readonly responseFormat?: { readonly type: "json"; readonly name: string; readonly schema: unknown };
  readonly tools?: readonly FunctionTool[];
  readonly providerOptions?: ProviderOptions;
  readonly abortSignal: AbortSignal;
  readonly headers: Readonly<Record<string, string>>;
}

export interface FunctionTool {
  readonly type: "function";
  readonly name: string;
  readonly description: string;
  readonly inputSchema: unknown;
}

export type PromptMessage =
  | { readonly role: "system"; readonly content: string }
  | { readonly role: "user" | "assistant" | "tool"; readonly content: readonly PromptPart[] };

export type PromptPart =
  | { readonly type: "text" | "reasoning"; readonly text: string; readonly providerOptions?: ProviderOptions }
  | { readonly type: "custom"; readonly kind: string; readonly providerOptions?: ProviderOptions }
  | {
      readonly type: "tool-call";
      readonly toolCallId: string;
      readonly toolName: string;
      readonly input: unknown;
      readonly providerOptions?: ProviderOptions;
    }
  | {
      readonly type: "tool-result";
      readonly toolCallId: string;
      readonly toolName: string;
      readonly output: { readonly type: "text" | "json" | "error-text" | "error-json"; readonly value: unknown };
    };

/** The same models as we call them: `never` above lets every version in, this says what they really take. */
export interface CallableModel {
  doGenerate(options: CallOptions): PromiseLike<unknown>;
  doStream?(options: CallOptions): PromiseLike<unknown>;
}

export interface CallableEmbedder {
  doEmbed(options: { readonly values: readonly string[]; readonly abortSignal: AbortSignal }): PromiseLike<unknown>;
}

const VERSIONS: readonly string[] = ["v2", "v3", "v4"];

/** Throws MODEL_UNKNOWN for what is no model of a version that we speak, naming what was found. */
export function checkShape(model: unknown, method: "doGenerate" | "doEmbed"): void {
  const found = isRecord(model) ? model : {};
  const { specificationVersion: version, provider, modelId } = found;
  if (VERSIONS.includes(String(version)) && typeof found[method] === "function") return;
  const what = isRecord(model)
    ? `specification ${JSON.stringify(version)} (provider ${JSON.stringify(provider)}, model ${JSON.stringify(modelId)})`
    : `${typeof model} ${JSON.stringify(model)}`;
  const missing = VERSIONS.includes(String(version)) ? ` without ${method}` : "";
  throw new FlujoError(
    "MODEL_UNKNOWN",
    `expected a model of the AI SDK with specification v2, v3 or v4 but found ${what}${missing}`,
  );
}

/** "openai.responses" bills as "openai". */
export const billerOf = (provider: string): string => provider.split(".")[0] ?? provider;

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  (typeof value === "object" || typeof value === "function") && value !== null;
