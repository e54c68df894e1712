/** `flujo/ai-sdk`: models and embedders of the AI SDK's provider packages, versions 5 to 7. */
export { type AiSdkOptions, embedderFromAiSdk, fromAiSdk } from "./agents/models/ai-sdk/adapter.ts";
export type { AiSdkEmbedder, AiSdkModel } from "./agents/models/ai-sdk/shape.ts";
export type { Embedder, Model, Price } from "./ports/model.ts";
