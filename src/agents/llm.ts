import { FlujoError } from "../domain/errors.ts";
import type { StepContext } from "../dsl/context.ts";
import type { GenerateOptions, Model, ModelAnswer, ModelRequest } from "../ports/model.ts";
import type { AgentContext } from "./agent-context.ts";
import { paidCall } from "./paid-call.ts";
import { restored } from "./turn.ts";

/** A model whose calls need no more than the request: signal, key and payment are those of the step. */
export interface PaidModel extends Model {
  generate(request: ModelRequest, options?: Partial<GenerateOptions>): Promise<ModelAnswer>;
}

/** The context of a step, of any type: pass it on as it is, for a copy of its parts cannot pay. */
export type LlmContext = Pick<StepContext<never>, "signal" | "idempotencyKey" | "run" | "path">;

/**
 * A model for a step of your own: what a name of `models`, or a string such as "openai:gpt-4o", stands for. Its calls are paid for
 * out of the run's budget and governed like those of agents, and get an idempotency key each.
 *
 *   .step("title", async (text, ctx) => {
 *     const model = await llm(ctx, "smart");
 *     const { text: title } = await model.generate({ messages: [{ role: "user", text: `A title for: ${text}` }], settings: {} });
 *     return title;
 *   })
 *
 * Throws MODEL_UNKNOWN, DEPENDENCY_MISSING, MODEL_KEY_MISSING, and OPTION_INVALID for what is no context of a step; its calls throw
 * what the budget, the policies and the provider say.
 * Source: Graflow, LLMRegistry.
 */
export async function llm(ctx: LlmContext, choice: string | Model): Promise<PaidModel> {
  const inside = contextOf(ctx);
  const model = await inside.agency.model(choice);
  const { provider, id, price } = model;
  return {
    provider,
    id,
    ...(price && { price }),
    generate: async (request, options?: Partial<GenerateOptions>) => {
      const { agency, run, path, idempotencyKey } = inside;
      const key = `${idempotencyKey}-m${numberOfCall(ctx)}`;
      const governed = await agency.governor.beforeModel({ agent: path, run: run.id, messages: request.messages });
      const wanted: ModelRequest = { ...request, messages: governed.messages };
      const { answer } = await paidCall(inside, {
        model,
        request: wanted,
        idempotencyKey: options?.idempotencyKey ?? key,
        ...(options?.onDelta && { onDelta: options.onDelta }),
      });
      return restored(answer, governed.restore);
    },
  };
}

function contextOf(ctx: LlmContext): AgentContext {
  if ("agency" in ctx) return ctx as unknown as AgentContext;
  throw new FlujoError("OPTION_INVALID", "llm: expected the step's own ctx but found a part or a copy of it");
}

const calls = new WeakMap<LlmContext, number>();

/** Counted over all models of a step: two of them must not call under one key. */
function numberOfCall(ctx: LlmContext): number {
  const number = calls.get(ctx) ?? 0;
  calls.set(ctx, number + 1);
  return number;
}
