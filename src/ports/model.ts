import type { Wire } from "../domain/wire.ts";

/*
 * The one way to a language model. The engine owns the loop of an agent: a model answers one request and knows nothing of
 * turns, budgets, tools or storage. Messages are our own, versioned by the definition that stores them, so that what a run has
 * said stays readable whatever a provider's package calls its parts next year.
 */

/** A tool call that a model asked for. `id` is the provider's, or made up where it gives none; unique within one answer. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** Parsed arguments; the raw text where they are no JSON, which validation then refuses. */
  readonly arguments: Wire;
}

/** What a tool gave back, as the model is to read it. */
export interface ToolAnswer {
  readonly id: string;
  readonly name: string;
  readonly output: Wire;
  /** The tool failed, was refused or denied: `output` says why. */
  readonly isError?: true;
}

export type Message =
  | { readonly role: "system"; readonly text: string }
  | { readonly role: "user"; readonly text: string }
  | {
      readonly role: "assistant";
      readonly text: string;
      readonly calls?: readonly ToolCall[];
      /** What the provider wants back unread with the next request: reasoning signatures, item ids. */
      readonly provider?: Wire;
    }
  | { readonly role: "tool"; readonly answers: readonly ToolAnswer[] };

/** A tool as a model sees it: `parameters` is JSON Schema. */
export interface ToolOffer {
  readonly name: string;
  readonly description: string;
  readonly parameters: { readonly [key: string]: Wire };
}

/** Sampling and bounds, forwarded where the provider knows them. */
export interface ModelSettings {
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly seed?: number;
  readonly stopSequences?: readonly string[];
  /** Bound of one answer, in tokens. Reservations count on it. Default 4,096. */
  readonly maxOutputTokens?: number;
  /** Passed to the provider as it is, by provider name. */
  readonly providerOptions?: { readonly [provider: string]: { readonly [key: string]: Wire } };
}

export interface ModelRequest {
  readonly messages: readonly Message[];
  readonly tools?: readonly ToolOffer[];
  /** JSON Schema of the wanted answer, for providers that can hold a model to it. */
  readonly output?: { readonly name: string; readonly schema: { readonly [key: string]: Wire } };
  readonly settings: ModelSettings;
}

/** What a call used. Absent counters are zero; `estimated`: the provider said nothing, and this was counted from the text. */
export interface ModelUsage {
  /** All that went in: what a cache supplied or took is part of it. */
  readonly inputTokens: number;
  /** All that came out: reasoning is part of it. */
  readonly outputTokens: number;
  readonly cacheReadTokens?: number;
  readonly cacheWriteTokens?: number;
  readonly reasoningTokens?: number;
  readonly estimated?: true;
}

export type FinishReason = "stop" | "length" | "tool-calls" | "content-filter" | "error" | "other";

/** A call that has to be paid for, at the price of the model that was called. */
export interface BilledCall {
  readonly model: Pick<Model, "provider" | "id" | "price">;
  readonly usage: ModelUsage;
  /** See `ModelAnswer`. */
  readonly costMicroUsd?: number;
}

export interface ModelAnswer {
  readonly text: string;
  readonly reasoning?: string;
  readonly calls: readonly ToolCall[];
  readonly finish: FinishReason;
  readonly usage: ModelUsage;
  /** What the provider says the call cost, in micro-USD, when it says so: it beats every price list. */
  readonly costMicroUsd?: number;
  /** The calls behind this answer where they are not one call of the model that was asked; `usage` is their sum. */
  readonly billed?: readonly BilledCall[];
  /** The model that answered, where the provider names it. */
  readonly model?: string;
  /** See `Message`. */
  readonly provider?: Wire;
}

/** A piece of an answer while it is being made. Not stored. */
export type ModelDelta =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "reasoning"; readonly text: string }
  | { readonly type: "tool-call"; readonly id: string; readonly name: string }
  /** All pieces so far are void: their model failed, and the one named here begins anew. */
  | { readonly type: "restart"; readonly model: string };

export interface GenerateOptions {
  /** Aborted when the attempt times out, the run is cancelled or the worker loses its lease. A model must settle soon after. */
  readonly signal: AbortSignal;
  /** The same for every try of this call; sent along where the provider takes one. */
  readonly idempotencyKey: string;
  /** Wanting pieces asks for a stream, where the provider has one. */
  readonly onDelta?: (delta: ModelDelta) => void;
}

/**
 * A language model. Throws what `src/agents/models/failures.ts` classifies: MODEL_RATE_LIMITED (with the delay the provider
 * asked for), MODEL_UNAVAILABLE (worth another try), MODEL_REFUSED (not), MODEL_ANSWER_UNREADABLE.
 */
export interface Model {
  /** Who bills: "openai", "anthropic", "scripted"… */
  readonly provider: string;
  /** Name within the provider: "gpt-4o". */
  readonly id: string;
  /** What it costs, where whoever made it says so: beats every price list. */
  readonly price?: Price;
  /** The models of which each may have to be paid before there is an answer: worst cases add them up. Default: this one. */
  readonly asks?: readonly Model[];
  generate(request: ModelRequest, options: GenerateOptions): Promise<ModelAnswer>;
}

/** Turns texts into vectors. */
export interface Embedder {
  readonly provider: string;
  readonly id: string;
  /** Length of each vector, where it is known beforehand. */
  readonly dimensions?: number;
  embed(
    texts: readonly string[],
    options: { readonly signal: AbortSignal },
  ): Promise<{
    readonly vectors: readonly (readonly number[])[];
    readonly usage: Pick<ModelUsage, "inputTokens" | "estimated">;
  }>;
}

/** What one token costs. Every price in micro-USD per million tokens: 2.50 USD per million is 2,500,000. */
export interface Price {
  readonly input: number;
  readonly output: number;
  readonly cacheRead?: number;
  readonly cacheWrite?: number;
  /** Per request, in micro-USD. */
  readonly request?: number;
}

/** Undefined = not known; under a cost limit that is PRICING_NOT_CONFIGURED, never zero. */
export interface PriceBook {
  costMicroUsd(model: Pick<Model, "provider" | "id" | "price">, usage: ModelUsage): number | undefined;
}
