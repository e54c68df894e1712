import { type ErrorCode, type ErrorDetails, FlujoError } from "./errors.ts";
import { LIMITS } from "./limits.ts";

const RETRY_AFTER = Symbol.for("flujo.RetryAfter");

/**
 * An error of the table that says when to try again: a FlujoError with its code, and a RetryAfter to the worker. The delay comes
 * from somebody else's server, so what no RetryAfter may say is cut to what it may.
 */
export class DelayedError extends FlujoError {
  /** Delay before the next attempt, in milliseconds; 0 = at once. */
  readonly delayMs: number;

  constructor(code: ErrorCode, message: string, { delayMs, ...details }: ErrorDetails & { readonly delayMs: number }) {
    super(code, message, details);
    this.delayMs = Math.min(LIMITS.retryAfterMs, Math.max(0, Number.isNaN(delayMs) ? 0 : delayMs));
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof FlujoError && RETRY_AFTER in value;
  }
}

// On the prototype, as the marks of errors.ts are.
Object.defineProperty(DelayedError.prototype, RETRY_AFTER, { value: true });
