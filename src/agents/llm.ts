import type { StepContext } from "../dsl/context.ts";
import type { GenerateOptions, Model, ModelAnswer, ModelRequest } from "../ports/model.ts";
import type { AgentContext } from "./agent-context.ts";
import { paidCall } from "./paid-call.ts";
import { restored } from "./turn.ts";

/** A model whose calls need no more than the request: signal, key and payment are those of the step. */
export interface PaidModel extends Model {
  generate(request: ModelRequest, options?: Partial<GenerateOptions>): Promise<ModelAnswer>;
}

/** What of its context a step passes on; any step has it. */
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
 * Throws MODEL_UNKNOWN, DEPENDENCY_MISSING, MODEL_KEY_MISSING; its calls throw what the budget, the policies and the provider say.
 * Source: Graflow, LLMRegistry.
 */
export async function llm(ctx: LlmContext, choice: string | Model): Promise<PaidModel> {
  const inside = ctx as unknown as AgentContext;
  const model = await inside.agency.model(choice);
  let calls = 0;
  const { provider, id, price } = model;
  return {
    provider,
    id,
    ...(price && { price }),
    generate: async (request, options?: Partial<GenerateOptions>) => {
      const { agency, run, path, idempotencyKey } = inside;
      const key = `${idempotencyKey}-m${calls++}`;
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
