import { isHeld } from "./json-text.ts";

/** How far an answer may be bent towards its schema: 0 not at all, 1 where one reading is possible, 2 tolerantly. */
export type Level = 0 | 1 | 2;

/**
 * Every conversion there is, and the level from which it is allowed. None adds anything: each is another spelling of what the
 * text says. Not here, because they have two readings: "1,234" (a decimal comma?), "12 kg", "50%", "5k", "007", "0x1F", 3.7
 * for an integer, "a, b" for a list. Source: Flujo, coercion allow-list (which names the first four so).
 */
export const CONVERSIONS = {
  "str->int": 1, // "3", "+3", "3.0"
  "str->float": 1, // "2.5", ".5", "1e3"
  "str->bool": 1, // "true", "False"
  "str->array": 1, // "[1, 2]"
  "str->object": 1, // "{\"a\": 1}"
  "single->array": 1, // 3 → [3]
  "enum-case": 1, // "HIGH" → "high"
  "enum-spelling": 2, // "In Progress" → "in_progress"
  "str->grouped": 2, // "1,234,567", "1,234.5", "1 234"
  "str->flag": 2, // "0", "1", "yes", "no"
  "int->bool": 2, // 0, 1
  "num->str": 2, // 5 → "5"
  "str->null": 2, // "null", "None"
  "array->single": 2, // [3] → 3
  "key-spelling": 2, // firstName → first_name
  "null->missing": 2, // null for a property that may be absent
  "any-of": 2, // the first alternative that fits after conversion
} as const;

export type Conversion = keyof typeof CONVERSIONS;

/** `allow` narrows what the level allows; it never widens it. */
export function conversionsAllowed(level: Level, allow?: readonly Conversion[]): ReadonlySet<Conversion> {
  const names = Object.keys(CONVERSIONS).filter(isConversion);
  return new Set(names.filter((name) => CONVERSIONS[name] <= level && (allow === undefined || allow.includes(name))));
}

/** Whether a word names a conversion: for lists that come from a file. */
export const isConversion = (word: string): word is Conversion => Object.hasOwn(CONVERSIONS, word);

const WHOLE = /^[+-]?(?:0|[1-9]\d*)(?:\.0+)?$/;
const DECIMAL = /^[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;

export function integerIn(text: string): number | undefined {
  const trimmed = text.trim();
  if (!WHOLE.test(trimmed)) return undefined;
  const value = Number(trimmed);
  return Number.isSafeInteger(value) ? plusZero(value) : undefined;
}

export function numberIn(text: string): number | undefined {
  const trimmed = text.trim();
  return DECIMAL.test(trimmed) && isHeld(trimmed) ? plusZero(Number(trimmed)) : undefined;
}

/** "-0" is zero: the wire has another form for -0, which no model means. */
const plusZero = (value: number): number => (value === 0 ? 0 : value);

const GROUPED = [
  // Two groups or more, or a group and a fraction: the separator can only be one of thousands.
  [/^[+-]?\d{1,3}(?:,\d{3}){2,}(?:\.\d+)?$|^[+-]?\d{1,3}(?:,\d{3})+\.\d+$/, ",", "."],
  [/^[+-]?\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?$|^[+-]?\d{1,3}(?:\.\d{3})+,\d+$/, ".", ","],
  // These never separate decimals.
  [/^[+-]?\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?:\.\d+)?$/, /[ \u00a0\u202f]/g, "."],
  [/^[+-]?\d{1,3}(?:['’]\d{3})+(?:\.\d+)?$/, /['’]/g, "."],
  [/^[+-]?\d{1,3}(?:_\d{3})+(?:\.\d+)?$/, "_", "."],
] as const;

/** A number with separators of thousands, where they cannot be anything else; as text that `numberIn` reads. */
export function ungrouped(text: string): string | undefined {
  const trimmed = text.trim();
  for (const [pattern, separator, point] of GROUPED) {
    if (pattern.test(trimmed)) return trimmed.replaceAll(separator, "").replace(point, ".");
  }
  return undefined;
}

export function booleanIn(text: string): boolean | undefined {
  const word = text.trim().toLowerCase();
  return word === "true" ? true : word === "false" ? false : undefined;
}

export function flagIn(text: string): boolean | undefined {
  const word = text.trim().toLowerCase();
  if (word === "1" || word === "yes") return true;
  return word === "0" || word === "no" ? false : undefined;
}

/** "In Progress", "in_progress" and "inProgress" alike. */
export const bareSpelling = (text: string): string => text.toLowerCase().replace(/[\s_-]+/g, "");

/** The one candidate that is spelled alike; undefined when none or several are. */
export function spelledAlike(
  text: string,
  candidates: readonly string[],
  spelling: (text: string) => string,
): string | undefined {
  const wanted = spelling(text);
  const found = candidates.filter((candidate) => spelling(candidate) === wanted);
  return found.length === 1 ? found[0] : undefined;
}
