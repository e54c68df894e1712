import type { Wire } from "../../domain/wire.ts";
import { booleanIn, type Conversion, flagIn, integerIn, numberIn, ungrouped } from "./conversions.ts";
import { isList, isRecord, parseJson, unheldDigits } from "./json-text.ts";

interface Step {
  readonly conversion: Conversion;
  readonly value: Wire;
}

type Rule = readonly [Conversion, (value: Wire) => Wire | undefined];

const ofText =
  (read: (text: string) => Wire | undefined) =>
  (value: Wire): Wire | undefined =>
    typeof value === "string" ? read(value) : undefined;

const jsonOf = (fits: (value: Wire | undefined) => boolean) =>
  ofText((text) => {
    const value = parseJson(text);
    return fits(value) ? value : undefined;
  });

/** How each type can be reached, surest way first. */
const RULES: Readonly<Record<string, readonly Rule[]>> = {
  integer: [
    ["str->int", ofText(integerIn)],
    ["str->grouped", ofText((text) => integerIn(ungrouped(text) ?? ""))],
  ],
  number: [
    ["str->float", ofText(numberIn)],
    ["str->grouped", ofText((text) => numberIn(ungrouped(text) ?? ""))],
  ],
  boolean: [
    ["str->bool", ofText(booleanIn)],
    ["str->flag", ofText(flagIn)],
    ["int->bool", (value) => (value === 0 || value === 1 ? value === 1 : undefined)],
  ],
  null: [["str->null", ofText((text) => (/^\s*(?:null|none)\s*$/i.test(text) ? null : undefined))]],
  array: [["str->array", jsonOf(isList)]],
  object: [["str->object", jsonOf(isRecord)]],
  string: [["num->str", (value) => unheldDigits(value) ?? (typeof value === "number" ? String(value) : undefined)]],
};

/** The value as another type, by the first conversion that is allowed and applies. */
export function converted(value: Wire, type: string, allowed: ReadonlySet<Conversion>): Step | undefined {
  for (const [conversion, rule] of RULES[type] ?? []) {
    if (!allowed.has(conversion)) continue;
    const reached = rule(value);
    if (reached !== undefined) return { conversion, value: reached };
  }
  return undefined;
}

export const foldedCase = (text: string): string => text.trim().toLowerCase();
