import { DelayedError } from "../../domain/delayed-error.ts";
import { type ErrorCode, FlujoError } from "../../domain/errors.ts";
import type { BilledCall, Model, ModelUsage } from "../../ports/model.ts";
import { withoutKeys } from "./secrets.ts";

/*
 * What a provider throws, in our words. Four codes say what to do next: MODEL_RATE_LIMITED (later), MODEL_UNAVAILABLE (again),
 * MODEL_ANSWER_UNREADABLE (again, or another model), MODEL_REFUSED (never). Errors are stored with runs: they hold a short
 * reason and never a key, a request or a whole body, which is why what was thrown is not kept as their cause.
 */

type Who = Pick<Model, "provider" | "id" | "price">;

export interface FailureContext {
  readonly model: Who;
  /** What the failed call used all the same: half a stream is billed too. */
  readonly usage?: ModelUsage;
  /** What the provider was sent to let the call in: its errors may repeat that. */
  readonly secrets?: readonly string[];
  /** Milliseconds since the epoch, for a Retry-After that names a date. Default: the system's clock. */
  readonly now?: () => number;
}

const MAX_REASON_CHARACTERS = 200;

/** What was thrown by what it looks like, for nobody shares an error class with a provider's package. */
interface Thrown {
  readonly name: string;
  readonly reason: string;
  readonly status: number | undefined;
  readonly retryAfter: string | undefined;
  readonly retryAfterMs: string | undefined;
}

/** The error to throw for whatever a provider threw. Errors of flujo stay what they are. */
export function modelFailure(thrown: unknown, { model, usage, secrets, now = Date.now }: FailureContext): FlujoError {
  if (thrown instanceof FlujoError) return thrown;
  const { name, reason, status, retryAfter, retryAfterMs } = look(thrown, secrets);
  const code = codeFor(name, status);
  const said = status === undefined ? reason : `${status} ${reason}`;
  const details = { provider: model.provider, model: model.id, ...(status !== undefined && { status }) };
  const delayMs = delayFrom(retryAfter, retryAfterMs, now());
  const rest = { details: { ...details, ...(usage && { billed: [{ model: who(model), usage }] }) } };
  const message = `${model.provider}:${model.id} ${VERB[code] ?? "failed"}: ${said}`;
  return delayMs !== undefined && RETRYABLE.has(code)
    ? new DelayedError(code, message, { ...rest, delayMs })
    : new FlujoError(code, message, rest);
}

/** An answer that breaks its own format. `what`: what was expected and what was found, in a few words. */
export const unreadable = (model: Who, what: string, usage?: ModelUsage): FlujoError =>
  new FlujoError("MODEL_ANSWER_UNREADABLE", `${model.provider}:${model.id} gave an unreadable answer: ${what}`, {
    details: {
      provider: model.provider,
      model: model.id,
      ...(usage && { billed: [{ model: who(model), usage }] }),
    },
  });

/** What calls have to be paid although they failed, where that is known. */
export function billedOf(error: unknown): readonly BilledCall[] {
  const billed = error instanceof FlujoError ? error.details?.["billed"] : undefined;
  return Array.isArray(billed) ? (billed as readonly BilledCall[]) : [];
}

/** Only what names and prices a model: a model itself is no data. */
export const who = ({ provider, id, price }: Who): Who => ({ provider, id, ...(price && { price }) });

const RETRYABLE: ReadonlySet<ErrorCode> = new Set(["MODEL_RATE_LIMITED", "MODEL_UNAVAILABLE"]);
const VERB: { readonly [code in ErrorCode]?: string } = {
  MODEL_RATE_LIMITED: "asks to slow down",
  MODEL_UNAVAILABLE: "failed",
  MODEL_REFUSED: "refused the request",
  MODEL_ANSWER_UNREADABLE: "gave an unreadable answer",
  MODEL_KEY_MISSING: "has no key",
  MODEL_UNKNOWN: "is unknown",
};

/** By the names that errors of the AI SDK have kept through its versions. */
const BY_NAME: { readonly [name: string]: ErrorCode } = {
  AI_LoadAPIKeyError: "MODEL_KEY_MISSING",
  AI_LoadSettingError: "MODEL_KEY_MISSING",
  AI_NoSuchModelError: "MODEL_UNKNOWN",
  AI_InvalidArgumentError: "MODEL_REFUSED",
  AI_InvalidPromptError: "MODEL_REFUSED",
  AI_UnsupportedFunctionalityError: "MODEL_REFUSED",
  AI_TooManyEmbeddingValuesForCallError: "MODEL_REFUSED",
  AI_EmptyResponseBodyError: "MODEL_ANSWER_UNREADABLE",
  AI_InvalidResponseDataError: "MODEL_ANSWER_UNREADABLE",
  AI_JSONParseError: "MODEL_ANSWER_UNREADABLE",
  AI_NoContentGeneratedError: "MODEL_ANSWER_UNREADABLE",
  AI_TypeValidationError: "MODEL_ANSWER_UNREADABLE",
  SyntaxError: "MODEL_ANSWER_UNREADABLE",
};

function codeFor(name: string, status: number | undefined): ErrorCode {
  const named = Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : undefined;
  if (named !== undefined) return named;
  if (status === undefined || status >= 500) return "MODEL_UNAVAILABLE";
  if (status === 429) return "MODEL_RATE_LIMITED";
  if (status === 408 || status === 409 || status === 425) return "MODEL_UNAVAILABLE"; // timeout, conflict, too early: all pass
  return status < 400 ? "MODEL_ANSWER_UNREADABLE" : "MODEL_REFUSED";
}

function look(thrown: unknown, secrets: readonly string[] = []): Thrown {
  if (typeof thrown !== "object" || thrown === null) {
    return {
      name: "",
      reason: shorten(String(thrown), secrets),
      status: undefined,
      retryAfter: undefined,
      retryAfterMs: undefined,
    };
  }
  const headers = read(thrown, "responseHeaders") ?? read(thrown, "headers");
  const status = [read(thrown, "statusCode"), read(thrown, "status")].find((found) => Number.isInteger(found));
  return {
    name: text(read(thrown, "name")) ?? "",
    reason: shorten(reasonOf(thrown), secrets),
    status: typeof status === "number" ? status : undefined,
    retryAfter: header(headers, "retry-after"),
    retryAfterMs: header(headers, "retry-after-ms"),
  };
}

/** A failed fetch says only that it failed; its cause says why. */
function reasonOf(thrown: object): string {
  const cause = read(thrown, "cause");
  const why =
    typeof cause === "object" && cause !== null
      ? (text(read(cause, "code")) ?? text(read(cause, "message")))
      : undefined;
  const said = text(read(thrown, "message")) ?? text(read(thrown, "name")) ?? "no reason given";
  return why === undefined || said.includes(why) ? said : `${said} (${why})`;
}

/** One line, without keys, short enough for a log. */
export function shorten(reason: string, secrets: readonly string[] = []): string {
  const [line = ""] = withoutKeys(reason, secrets).trim().split("\n");
  return line.length > MAX_REASON_CHARACTERS ? `${line.slice(0, MAX_REASON_CHARACTERS)}…` : line;
}

const read = (from: object, name: string): unknown => Reflect.get(from, name);
const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);

function header(headers: unknown, name: string): string | undefined {
  if (headers instanceof Headers) return headers.get(name) ?? undefined;
  if (typeof headers !== "object" || headers === null) return undefined;
  const found = Object.entries(headers).find(([key]) => key.toLowerCase() === name);
  return typeof found?.[1] === "string" ? found[1] : undefined;
}

/** Retry-After is seconds or a date; some send milliseconds in a header of their own, which is more exact. */
function delayFrom(
  retryAfter: string | undefined,
  retryAfterMs: string | undefined,
  nowMs: number,
): number | undefined {
  const exact = retryAfterMs === undefined ? Number.NaN : Number.parseFloat(retryAfterMs);
  if (exact >= 0) return exact;
  if (retryAfter === undefined) return undefined;
  if (/^\s*\d+(\.\d+)?\s*$/.test(retryAfter)) return Number(retryAfter) * 1_000;
  const date = Date.parse(retryAfter);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
