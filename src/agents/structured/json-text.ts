import { LIMITS } from "../../domain/limits.ts";
import type { Wire } from "../../domain/wire.ts";

/**
 * Stands before the digits of a number that JavaScript cannot hold (12345678901234567890 would become …7000, 1e400 infinity):
 * a number that is not in the text is never produced. From the private use area, so no model writes it.
 */
const UNHELD = "\uE000";

const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const MAY_BE_UNHELD = /\d{16}|\d[eE]/; // 15 digits always fit

/** Strict JSON; undefined for anything else, and for what is nested deeper than a value may be. */
export function parseJson(text: string): Wire | undefined {
  if (!nestsWithin(text)) return undefined;
  try {
    const value: Wire = JSON.parse(text);
    if (!MAY_BE_UNHELD.test(text)) return value;
    return JSON.parse(text.replace(TOKENS, (token) => (isHeld(token) ? token : `"${UNHELD}${token}"`)));
  } catch {
    return undefined; // not JSON: the caller tries something else
  }
}

/** Whether a number's text and the number that it becomes mean the same. True for a string's token. */
export function isHeld(token: string): boolean {
  if (token.startsWith('"')) return true;
  const value = Number(token);
  if (!Number.isFinite(value)) return false;
  if (/^[+-]?\d+$/.test(token)) return Number.isSafeInteger(value) || BigInt(token) === BigInt(value);
  return value !== 0 || !/[1-9]/.test(token.split(/[eE]/)[0] ?? ""); // 1e-400 is not zero
}

export const unheldDigits = (wire: Wire): string | undefined =>
  typeof wire === "string" && wire.startsWith(UNHELD) ? wire.slice(UNHELD.length) : undefined;

function nestsWithin(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (inString) {
      if (character === "\\") i++;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === "{" || character === "[") depth++;
    else if (character === "}" || character === "]") depth--;
    if (depth > LIMITS.valueDepth) return false;
  }
  return true;
}

export type JsonRecord = { readonly [key: string]: Wire };

export const isRecord = (wire: Wire | undefined): wire is JsonRecord =>
  typeof wire === "object" && wire !== null && !Array.isArray(wire);

export const isList = (wire: Wire | undefined): wire is readonly Wire[] => Array.isArray(wire);
