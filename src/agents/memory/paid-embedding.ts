import { FlujoError } from "../../domain/errors.ts";
import type { Spending } from "../../domain/quota.ts";
import type { Embedder, PriceBook } from "../../ports/model.ts";
import type { AgentContext } from "../agent-context.ts";
import { estimateTokens } from "../models/tokens.ts";
import { spentInVain, unpriced } from "../paid-call.ts";

export interface EmbeddingCall {
  readonly embedder: Embedder;
  readonly texts: readonly string[];
}

export type Vectors = readonly (readonly number[])[];

const MARGIN = 1.1; // tokenizers differ between makers

/** Embeds texts on the budget of a step: estimate → reserve → call → settle, as `paidCall` does with models. */
export async function paidEmbedding(
  { agency, signal }: Pick<AgentContext, "agency" | "signal">,
  { embedder, texts }: EmbeddingCall,
): Promise<Vectors> {
  const tokens = texts.reduce((sum, text) => sum + Math.ceil(estimateTokens(text) * MARGIN), 0);
  const cost = agency.prices.costMicroUsd(embedder, { inputTokens: tokens, outputTokens: 0 });
  if (cost === undefined && agency.spend.needsPrice) throw unpriced(embedder);
  const amount = embeddings(tokens, cost);
  const reservation = await agency.spend.reserve(amount);
  try {
    const { vectors, usage } = await embedded({ embedder, texts }, signal);
    reservation.settle(embeddings(usage.inputTokens, priceOf(agency.prices, embedder, usage.inputTokens)));
    return vectors;
  } catch (error) {
    reservation.settle(spentInVain(agency.prices, error, { ...amount, costMicroUsd: cost ?? 0 }));
    throw error;
  }
}

/** Embeds texts, and holds the embedder to one vector for each. Throws MODEL_ANSWER_UNREADABLE, and what the embedder throws. */
export async function embedded({ embedder, texts }: EmbeddingCall, signal: AbortSignal): ReturnType<Embedder["embed"]> {
  const answer = await embedder.embed(texts, { signal });
  if (answer.vectors.length === texts.length) return answer;
  const found = `expected ${texts.length} vectors from ${embedder.provider}:${embedder.id} but found ${answer.vectors.length}`;
  throw new FlujoError("MODEL_ANSWER_UNREADABLE", found);
}

const embeddings = <Cost extends number | undefined>(
  inputTokens: number,
  costMicroUsd: Cost,
): Omit<Spending, "costMicroUsd"> & { readonly costMicroUsd: Cost } => ({
  costMicroUsd,
  inputTokens,
  outputTokens: 0,
  requests: 1,
  toolCalls: 0,
});

const priceOf = (prices: PriceBook, embedder: Embedder, inputTokens: number): number =>
  prices.costMicroUsd(embedder, { inputTokens, outputTokens: 0 }) ?? 0; // under a cost limit there was a price, or no call
