import { FlujoError, NonRetryableError, RetryAfter } from "../domain/errors.ts";
import { NOTHING_SPENT, plus, type Spending } from "../domain/quota.ts";
import type { EstimateHints } from "../ports/agency.ts";
import type {
  BilledCall,
  Model,
  ModelAnswer,
  ModelDelta,
  ModelRequest,
  ModelUsage,
  PriceBook,
} from "../ports/model.ts";
import type { AgentContext } from "./agent-context.ts";
import { billedOf, modelFailure } from "./models/failures.ts";
import { soundAnswer } from "./models/sound-answer.ts";

export interface PaidCall {
  readonly model: Model;
  readonly request: ModelRequest;
  readonly idempotencyKey: string;
  readonly hints?: EstimateHints | undefined;
  readonly onDelta?: (delta: ModelDelta) => void;
}

export interface PaidAnswer {
  readonly answer: ModelAnswer;
  readonly spent: Spending;
}

/**
 * The only way to a model: estimate → reserve → call → settle. Failed calls are paid for too: where nobody knows what the provider
 * did, what was reserved counts as spent. Throws what the reservation and the model throw.
 */
export async function paidCall(
  { agency, signal }: Pick<AgentContext, "agency" | "signal">,
  { model, request, idempotencyKey, hints, onDelta }: PaidCall,
): Promise<PaidAnswer> {
  signal.throwIfAborted(); // a step that was told to stop, and did not hear it, begins nothing more
  const estimate = agency.estimate(model, request, hints);
  const { costMicroUsd, inputTokens, outputTokens } = estimate;
  if (costMicroUsd === undefined && agency.spend.needsPrice) throw unpriced(model);
  const amount = { costMicroUsd, inputTokens, outputTokens, requests: 1, toolCalls: 0 };
  const reservation = await agency.spend.reserve(amount);
  let answer: ModelAnswer;
  try {
    const given = await model.generate(request, { signal, idempotencyKey, ...(onDelta && { onDelta }) });
    answer = soundAnswer(model, request, given);
  } catch (thrown) {
    const error = signal.aborted || saysWhatToDo(thrown) ? thrown : modelFailure(thrown, { model });
    reservation.settle(spentInVain(agency.prices, error, { ...amount, costMicroUsd: costMicroUsd ?? 0 }));
    throw error;
  }
  const calls: readonly BilledCall[] = answer.billed ?? [{ ...answer, model }];
  const spent = calls.map((call) => spentOn(agency.prices, call)).reduce(plus, NOTHING_SPENT);
  reservation.settle(spent);
  return { answer, spent };
}

/** What a model of the user's own throws to be asked again later, or never: the step understands it. */
const saysWhatToDo = (thrown: unknown): boolean => thrown instanceof RetryAfter || thrown instanceof NonRetryableError;

/** Half a stream is billed, a refusal is not, and of anything else nobody knows: then what was reserved is spent. */
export function spentInVain(prices: PriceBook, error: unknown, reserved: Spending): Spending {
  const billed = billedOf(error);
  if (billed.length > 0) return billed.map((call) => spentOn(prices, call)).reduce(plus, NOTHING_SPENT);
  return wasRefused(error) ? { ...NOTHING_SPENT, requests: 1 } : reserved;
}

/** The provider has said that it did not do the work. */
const wasRefused = (error: unknown): boolean =>
  error instanceof FlujoError && (error.code === "MODEL_RATE_LIMITED" || error.code === "MODEL_REFUSED");

function spentOn(prices: PriceBook, { model, usage, costMicroUsd }: BilledCall): Spending {
  const { inputTokens, outputTokens }: ModelUsage = usage;
  const cost = costMicroUsd ?? prices.costMicroUsd(model, usage) ?? 0; // under a cost limit there was a price, or no call
  return { costMicroUsd: cost, inputTokens, outputTokens, requests: 1, toolCalls: 0 };
}

export const unpriced = ({ provider, id }: Pick<Model, "provider" | "id">): FlujoError =>
  new FlujoError("PRICING_NOT_CONFIGURED", `cost is limited, and no price is known for ${provider}:${id}`, {
    details: { provider, model: id },
  });
