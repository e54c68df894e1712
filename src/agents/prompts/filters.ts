import { FlujoError } from "../../domain/errors.ts";

/** A value as text in a prompt: nothing for null, JSON for lists and records. */
export function textOf(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value;
  if (value instanceof Date) return value.toISOString();
  if (typeof value === "object") return json(value);
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return String(value);
  throw new FlujoError("PROMPT_INVALID", `a ${typeof value} cannot be part of a prompt`);
}

/** As JSON: whole numbers of any size in full, maps as records, sets as lists. Throws PROMPT_INVALID for bytes. */
export function json(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner === "bigint") return inner.toString();
    if (inner instanceof Map) return Object.fromEntries(inner);
    if (inner instanceof Set) return [...inner];
    if (inner instanceof Uint8Array) throw new FlujoError("PROMPT_INVALID", "bytes cannot be part of a prompt");
    return inner;
  });
}

type Filter = (value: unknown, argument?: unknown) => unknown;

/** The filters of templates, by name. */
export const FILTERS: Readonly<Record<string, Filter>> = {
  join: (value, delimiter = ", ") => listOf(value, "join").map(textOf).join(textOf(delimiter)),
  upper: (value) => textOf(value).toUpperCase(),
  lower: (value) => textOf(value).toLowerCase(),
  length: lengthOf,
  tojson: (value) => json(value ?? null),
  default: (value, otherwise = "") => (value === undefined || value === null || value === "" ? otherwise : value),
};

function listOf(value: unknown, filter: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (value instanceof Set) return [...value];
  throw new FlujoError(
    "PROMPT_INVALID",
    `the filter "${filter}" needs a list but found ${JSON.stringify(typeof value)}`,
  );
}

/** Of text in characters as people count them, of lists in items, of records in keys. */
function lengthOf(value: unknown): number {
  if (value === null || value === undefined) return 0;
  if (value instanceof Map || value instanceof Set) return value.size;
  if (Array.isArray(value)) return value.length;
  return typeof value === "object" ? Object.keys(value).length : Array.from(textOf(value)).length;
}
