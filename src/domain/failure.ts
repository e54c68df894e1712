import { type ErrorCode, ERRORS, FlujoError } from "./errors.ts";
import { plainJson } from "./plain-json.ts";
import { encode, type Wire } from "./wire.ts";

/** An error as it is stored: plain data, class and cause kept as text. */
export interface Failure {
  readonly code: ErrorCode;
  readonly name: string;
  readonly message: string;
  /** `root/path#visit` of the node that failed. */
  readonly at?: string;
  readonly attempt?: number;
  readonly stack?: string;
  readonly cause?: Failure;
  /** Plain JSON: a failure is written into states, events and messages as it is. */
  readonly details?: { readonly [key: string]: unknown };
}

/**
 * Failures of the whole run, wherever they come up: neither an attempt nor a tolerant join makes more of a budget, or of time.
 * Source: Flujo, where usage limits are never converted into the failure of a step.
 */
const ENDS_THE_RUN: ReadonlySet<string> = new Set<ErrorCode>([
  "RUN_TIMEOUT",
  "COST_LIMIT_EXCEEDED",
  "TOKEN_LIMIT_EXCEEDED",
  "QUOTA_EXCEEDED",
  "PRICING_NOT_CONFIGURED",
  "HOOK_FAILED",
]);
export const endsTheRun = (what: Pick<Failure, "code"> | undefined): boolean =>
  what !== undefined && ENDS_THE_RUN.has(what.code);

const MAX_STACK_CHARACTERS = 4_000; // enough for the frames of user code; a stack is stored with every failed attempt
const MAX_MESSAGE_CHARACTERS = 8_000;
const MAX_CAUSES = 5;

const isErrorCode = (code: unknown): code is ErrorCode => typeof code === "string" && Object.hasOwn(ERRORS, code);

export const failure = (code: ErrorCode, message: string, rest: Partial<Failure> = {}): Failure => ({
  code,
  name: "FlujoError",
  message,
  ...rest,
});

/** Anything thrown, as data. Never throws, whatever was thrown. */
export function failureFrom(
  thrown: unknown,
  code: ErrorCode = "STEP_FAILED",
  rest: Partial<Failure> = {},
  depth = 0,
): Failure {
  try {
    if (!(thrown instanceof Error)) {
      return {
        code,
        name: typeof thrown,
        message: `thrown value: ${String(thrown)}`.slice(0, MAX_MESSAGE_CHARACTERS),
        ...rest,
      };
    }
    const cause =
      thrown.cause !== undefined && depth < MAX_CAUSES
        ? failureFrom(thrown.cause, "STEP_FAILED", {}, depth + 1)
        : undefined;
    return {
      code: thrown instanceof FlujoError && isErrorCode(thrown.code) ? thrown.code : code,
      name: String(thrown.name),
      message: String(thrown.message).slice(0, MAX_MESSAGE_CHARACTERS),
      ...(thrown.stack !== undefined && { stack: String(thrown.stack).slice(0, MAX_STACK_CHARACTERS) }),
      ...(cause && { cause }),
      ...(thrown instanceof FlujoError && thrown.details && { details: detailsOf(thrown.details) }),
      ...rest,
    };
  } catch {
    return { code, name: "unknown", message: "a value was thrown that cannot be read", ...rest };
  }
}

const MAX_DETAILS_CHARACTERS = 16_000; // particulars, never payloads: they travel with every copy of the failure

const detailsOf = (details: object): { readonly [key: string]: unknown } => {
  const plain = plainJson(details, MAX_DETAILS_CHARACTERS);
  return typeof plain === "object" && plain !== null && !Array.isArray(plain)
    ? (plain as { readonly [key: string]: unknown })
    : { details: plain };
};

/** A failure as a value that handlers and callers get: without stacks, and decoded it is what it was. */
export const failureWire = (what: Failure): Wire => encode(withoutStack(what));

function withoutStack({
  code,
  name,
  message,
  at,
  attempt,
  cause,
  details,
}: Failure): Readonly<Record<string, unknown>> {
  return {
    code,
    name,
    message,
    ...(at !== undefined && { at }),
    ...(attempt !== undefined && { attempt }),
    ...(cause && { cause: withoutStack(cause) }),
    ...(details && { details: detailsOf(details) }),
  };
}

const RUN_FAILED = Symbol.for("flujo.RunFailedError");

/** The error a caller gets when it asks for the result of a run that did not complete. */
export class RunFailedError extends FlujoError {
  override readonly name: string = "RunFailedError";
  readonly runId: string;
  readonly failure: Failure;

  constructor(runId: string, what: Failure) {
    super(what.code, what.message, {
      ...(what.at !== undefined && { at: what.at }),
      details: { runId, failure: what },
    });
    this.runId = runId;
    this.failure = what;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === "object" && value !== null && RUN_FAILED in value;
  }
}

Object.defineProperty(RunFailedError.prototype, RUN_FAILED, { value: true });
