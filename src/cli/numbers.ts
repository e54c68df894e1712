import { FlujoError } from "../domain/errors.ts";

/** A whole number of at least 1 that an option gives. Throws OPTION_INVALID naming it. */
export function countOf(option: string, text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new FlujoError("OPTION_INVALID", `${option}: expected a whole number of at least 1 but found "${text}"`);
}

/** Any finite number that an option gives. */
export function numberOf(option: string, text: string): number {
  const number = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isFinite(number)) return number;
  throw new FlujoError("OPTION_INVALID", `${option}: expected a number but found "${text}"`);
}
