import { DelayedError } from "../../domain/delayed-error.ts";
import { type ErrorCode, FlujoError } from "../../domain/errors.ts";
import type { BilledCall, GenerateOptions, Model, ModelAnswer, ModelRequest } from "../../ports/model.ts";
import { billedOf, modelFailure, who } from "./failures.ts";
import { soundAnswer } from "./sound-answer.ts";
import { sumUsage } from "./tokens.ts";

export interface FallbackOptions {
  /** Failures after which the next model is asked. Default: it asks to slow down, is not there, or cannot be read. */
  readonly on?: readonly ErrorCode[];
}

const DEFAULT_ON: readonly ErrorCode[] = ["MODEL_RATE_LIMITED", "MODEL_UNAVAILABLE", "MODEL_ANSWER_UNREADABLE"];

/**
 * Asks the next model when one fails: never when the call is aborted, refused or not paid for. Pieces of a failed answer are
 * followed by a delta `restart`, and never by the text of another model. Calls that failed are in `billed`, beside the one that
 * answered; `model` says which that was. Throws OPTION_INVALID without models; when all fail, what the last one threw, with what
 * the others said, after the shortest delay that was asked for.
 *
 *   const model = fallbackModels([await resolveModel("anthropic:claude-sonnet-4-5", keys), await resolveModel("openai:gpt-4o", keys)]);
 */
export function fallbackModels(models: readonly Model[], { on = DEFAULT_ON }: FallbackOptions = {}): Model {
  if (models.length === 0) throw new FlujoError("OPTION_INVALID", "fallbackModels: expected at least one model");
  return {
    provider: "fallback",
    id: models.map(nameOf).join(","),
    asks: models,
    generate: (request, options) => new Round(models, on).play(request, options),
  };
}

const nameOf = ({ provider, id }: Pick<Model, "provider" | "id">): string => `${provider}:${id}`;

class Round {
  readonly #models: readonly Model[];
  readonly #on: readonly ErrorCode[];
  readonly #failures: FlujoError[] = [];
  readonly #billed: BilledCall[] = [];
  /** Whether somebody has seen a part of an answer that never came to its end. */
  #dirty = false;

  constructor(models: readonly Model[], on: readonly ErrorCode[]) {
    this.#models = models;
    this.#on = on;
  }

  async play(request: ModelRequest, options: GenerateOptions): Promise<ModelAnswer> {
    for (const model of this.#models) {
      const answer = await this.#ask(model, request, options);
      if (answer !== undefined) return answer;
    }
    throw this.#allFailed();
  }

  async #ask(model: Model, request: ModelRequest, options: GenerateOptions): Promise<ModelAnswer | undefined> {
    try {
      const answer = soundAnswer(model, request, await model.generate(request, this.#telling(model, options)));
      const own = answer.billed ?? [billedCall(model, answer)];
      const billed = [...this.#billed, ...own];
      return {
        ...answer,
        usage: sumUsage(billed.map(({ usage }) => usage)),
        billed,
        model: `${model.provider}:${answer.model ?? model.id}`,
      };
    } catch (thrown) {
      if (options.signal.aborted) throw thrown;
      const failure = modelFailure(thrown, { model });
      this.#billed.push(...billedOf(failure));
      this.#failures.push(failure);
      if (!this.#on.includes(failure.code)) throw this.#withBills(failure);
      return undefined;
    }
  }

  #telling(model: Model, { onDelta, ...options }: GenerateOptions): GenerateOptions {
    if (onDelta === undefined) return options;
    if (this.#dirty) onDelta({ type: "restart", model: nameOf(model) });
    this.#dirty = false;
    return {
      ...options,
      onDelta: (delta) => {
        this.#dirty = true;
        onDelta(delta);
      },
    };
  }

  #allFailed(): FlujoError {
    const last = this.#failures.at(-1);
    if (last === undefined || this.#failures.length === 1)
      return last ?? new FlujoError("MODEL_UNAVAILABLE", "no model");
    const message = this.#failures.map(({ message: said }) => said).join("; ");
    const delays = this.#failures.map((failure) => (failure instanceof DelayedError ? failure.delayMs : undefined));
    const known = delays.filter((delay) => delay !== undefined);
    const details = { failures: this.#failures.map(({ code }) => code), billed: this.#billed };
    // One that may be asked at once is worth no waiting for the others.
    return known.length === delays.length
      ? new DelayedError(last.code, message, { details, delayMs: Math.min(...known) })
      : new FlujoError(last.code, message, { details });
  }

  /** A refusal ends the round; what was paid before it is still to be paid. */
  #withBills(failure: FlujoError): FlujoError {
    if (this.#billed.length === billedOf(failure).length) return failure;
    return new FlujoError(failure.code, failure.message, {
      cause: failure,
      details: { ...failure.details, billed: this.#billed },
    });
  }
}

const billedCall = (model: Model, { usage, costMicroUsd }: ModelAnswer): BilledCall => ({
  model: who(model),
  usage,
  ...(costMicroUsd !== undefined && { costMicroUsd }),
});
