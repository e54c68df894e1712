import { type Duration, durationMs } from "./duration.ts";
import { FlujoError } from "./errors.ts";
import { type Allowance, type Unit, UNITS } from "./quota.ts";
import { didYouMean } from "./suggest.ts";

/** What a run may use, as people write it. Absent = unlimited. */
export interface UsageLimits {
  /** US dollars, for example 0.5. Needs a price for every model that is called, else PRICING_NOT_CONFIGURED. */
  readonly costUsd?: number;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  /** Input and output together. */
  readonly totalTokens?: number;
  /** Model calls, failed ones and repairs included. */
  readonly requests?: number;
  readonly toolCalls?: number;
  /** Wall-clock time from the start, pauses included. The run fails with RUN_TIMEOUT. */
  readonly wallTime?: Duration;
}

const MICRO = 1_000_000;
const NAMES: { readonly [Name in Exclude<keyof UsageLimits, "wallTime">]: Unit } = {
  costUsd: "costMicroUsd",
  inputTokens: "inputTokens",
  outputTokens: "outputTokens",
  totalTokens: "totalTokens",
  requests: "requests",
  toolCalls: "toolCalls",
};
const names = Object.keys(NAMES) as (keyof typeof NAMES)[];
const KNOWN: readonly string[] = [...names, "wallTime"];

/** A misspelt limit would be none, and nobody would notice before the bill. */
function checkNames(limits: UsageLimits, where: string): void {
  const unknown = Object.keys(limits).find((name) => !KNOWN.includes(name));
  if (unknown === undefined) return;
  const known = KNOWN.join(", ");
  throw new FlujoError(
    "OPTION_INVALID",
    `${where}: there is no limit "${unknown}"${didYouMean(unknown, KNOWN)} (there are: ${known})`,
  );
}

/** The one place where limits become a quota. Undefined: nothing is limited. Throws OPTION_INVALID. Source: Flujo, P1.1. */
export function allowanceOf(limits: UsageLimits | undefined, where = "limits"): Allowance | undefined {
  if (limits === undefined) return undefined;
  checkNames(limits, where);
  const allowance: { [U in Unit]?: number } = {};
  for (const name of names) {
    const amount = limits[name];
    if (amount === undefined) continue;
    if (!Number.isFinite(amount) || amount < 0)
      throw new FlujoError("OPTION_INVALID", `${where}.${name}: expected a number of at least 0 but found ${amount}`);
    // Downwards: a limit that is no whole number of micro-dollars must not be exceeded by the rest of one.
    allowance[NAMES[name]] = name === "costUsd" ? Math.floor(amount * MICRO + 1e-6) : Math.floor(amount);
  }
  return Object.keys(allowance).length === 0 ? undefined : allowance;
}

export const wallTimeMsOf = (limits: UsageLimits | undefined, where = "limits"): number | undefined =>
  limits?.wallTime === undefined ? undefined : durationMs(limits.wallTime, `${where}.wallTime`);

/** Of several limits the smallest holds, unit by unit. Source: Flujo, budget resolution. */
export function tightest(...all: readonly (Allowance | undefined)[]): Allowance | undefined {
  const tight: { [U in Unit]?: number } = {};
  for (const allowance of all)
    for (const unit of UNITS) {
      const amount = allowance?.[unit];
      if (amount !== undefined) tight[unit] = Math.min(amount, tight[unit] ?? amount);
    }
  return Object.keys(tight).length === 0 ? undefined : tight;
}
