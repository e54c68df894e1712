import { type ErrorCode, type ErrorDetails, FlujoError } from "./errors.ts";

const NON_RETRYABLE = Symbol.for("flujo.NonRetryableError");

/** An error of the table that is the same the next time, where others of its code are not: to the worker, a NonRetryableError. */
export class FinalError extends FlujoError {
  constructor(code: ErrorCode, message: string, details?: ErrorDetails) {
    super(code, message, details);
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof FlujoError && NON_RETRYABLE in value;
  }
}

// On the prototype, as the marks of errors.ts are.
Object.defineProperty(FinalError.prototype, NON_RETRYABLE, { value: true });
