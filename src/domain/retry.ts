import { type Duration, durationMs } from "./duration.ts";
import { FlujoError } from "./errors.ts";
import { LIMITS } from "./limits.ts";

/** What an author writes. `attempts` is the total number of tries, the first one included. */
export interface RetryOptions {
  /** Total attempts, the first included. Default 3 when a retry is given at all. */
  readonly attempts?: number;
  /** `exponential` (default) doubles by `factor`, `constant` keeps `delay`, `immediate` does not wait. */
  readonly backoff?: "exponential" | "constant" | "immediate";
  /** Delay before the second attempt. Default 200 ms. */
  readonly delay?: Duration;
  /** Growth of an exponential backoff. Default 2. */
  readonly factor?: number;
  /** No delay is longer than this. Default 1 minute, or `delay` when that is longer. */
  readonly maxDelay?: Duration;
  /** `full` (default) draws each delay from [0, computed); `none` keeps it exact. */
  readonly jitter?: "full" | "none";
  /** Says whether a failure is worth another attempt. Called by the worker, on the error that was thrown. */
  readonly retryIf?: (error: unknown, attempt: number) => boolean;
}

export interface RetryPolicy {
  readonly attempts: number;
  readonly firstDelayMs: number;
  readonly factor: number;
  readonly maxDelayMs: number;
  readonly jitter: "full" | "none";
  readonly retryIf?: (error: unknown, attempt: number) => boolean;
}

export const ONE_ATTEMPT: RetryPolicy = { attempts: 1, firstDelayMs: 0, factor: 1, maxDelayMs: 0, jitter: "none" };

/** Retries in the seeds' words: `retries(2)` is three attempts. */
export const retries = (count: number): RetryOptions => ({ attempts: count + 1 });

export function retryPolicy(options: RetryOptions): RetryPolicy {
  const {
    attempts = 3,
    backoff = "exponential",
    delay = 200,
    factor = 2,
    maxDelay,
    jitter = "full",
    retryIf,
  } = options;
  if (!Number.isInteger(attempts) || attempts < 1 || attempts > LIMITS.retryAttempts) {
    throw new FlujoError(
      "OPTION_INVALID",
      `retry.attempts: expected a whole number from 1 to ${LIMITS.retryAttempts} but found ${attempts}`,
    );
  }
  if (!(factor >= 1))
    throw new FlujoError("OPTION_INVALID", `retry.factor: expected a number of at least 1 but found ${factor}`);
  const firstDelayMs = backoff === "immediate" ? 0 : durationMs(delay, "retry.delay");
  return {
    attempts,
    firstDelayMs,
    factor: backoff === "exponential" ? factor : 1,
    maxDelayMs: maxDelay === undefined ? Math.max(60_000, firstDelayMs) : durationMs(maxDelay, "retry.maxDelay"),
    jitter,
    ...(retryIf && { retryIf }),
  };
}

/** Delay before the attempt that follows `attempt`, or undefined when the attempts are spent. Full jitter spreads a herd of retries over the whole window. */
export function retryDelayMs(policy: RetryPolicy, attempt: number, random: number): number | undefined {
  if (attempt >= policy.attempts) return undefined;
  const ceilingMs = Math.min(policy.firstDelayMs * policy.factor ** (attempt - 1), policy.maxDelayMs);
  return policy.jitter === "full" ? Math.floor(random * ceilingMs) : ceilingMs;
}
