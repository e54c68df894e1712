import { FlujoError } from "./errors.ts";

/** Milliseconds as a number, or text such as `"250ms"`, `"10s"`, `"1.5 hours"`, `"2 days"`. */
export type Duration = number | `${number}${"" | " "}${Unit}`;

type Unit =
  | "ms"
  | "s"
  | "sec"
  | "second"
  | "seconds"
  | "m"
  | "min"
  | "minute"
  | "minutes"
  | "h"
  | "hour"
  | "hours"
  | "d"
  | "day"
  | "days"
  | "week"
  | "weeks";

const UNIT_MS: Readonly<Record<Unit, number>> = {
  ms: 1,
  s: 1_000,
  sec: 1_000,
  second: 1_000,
  seconds: 1_000,
  m: 60_000,
  min: 60_000,
  minute: 60_000,
  minutes: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  hours: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  days: 86_400_000,
  week: 604_800_000,
  weeks: 604_800_000,
};

const FORM = /^\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*$/i;
const isUnit = (text: string): text is Unit => Object.hasOwn(UNIT_MS, text);

/** A duration in milliseconds. Throws OPTION_INVALID for anything that is not a finite, non-negative duration. */
export function durationMs(duration: Duration, what = "a duration"): number {
  if (typeof duration === "number") {
    if (Number.isFinite(duration) && duration >= 0) return duration;
  } else {
    const [, amount, unit] = FORM.exec(duration) ?? [];
    const name = unit?.toLowerCase();
    if (amount !== undefined && name !== undefined && isUnit(name)) return Number(amount) * UNIT_MS[name];
  }
  throw new FlujoError(
    "OPTION_INVALID",
    `expected ${what} in milliseconds or text such as "10s", "5 minutes", "2 days" but found ${typeof duration === "number" ? duration : JSON.stringify(duration)}`,
  );
}
