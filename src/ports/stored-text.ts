import { FlujoError } from "../domain/errors.ts";
import type { Wire } from "../domain/wire.ts";

/**
 * Text as every backend can keep it: NUL cuts or is refused (SQLite drivers, Postgres), lone surrogates are replaced in UTF-8. Such
 * text is kept as JSON behind a mark. JSON columns need none of this: JSON.stringify escapes both.
 */
const MARK = "\u0001";
const NUL = "\0";
const LONE_SURROGATE = /\p{Surrogate}/u;

const isSafe = (text: string): boolean => !text.includes(NUL) && !text.startsWith(MARK) && !LONE_SURROGATE.test(text);

export const storable = (text: string): string => (isSafe(text) ? text : MARK + JSON.stringify(text));

export const storableOrNull = (text: string | undefined): string | null => (text === undefined ? null : storable(text));

export const json = (wire: unknown): string => JSON.stringify(wire);

export const jsonOrNull = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value));

/** What was kept as JSON. Throws RECORD_UNDECODABLE, naming the place. */
export function parsed(text: string | undefined, where: string): Wire {
  const found = text ?? "";
  try {
    return JSON.parse(found) as Wire;
  } catch (error) {
    throw new FlujoError(
      "RECORD_UNDECODABLE",
      `expected JSON in ${where} but found ${JSON.stringify(found.slice(0, 80))}`,
      { cause: error },
    );
  }
}

export const original = (stored: string): string =>
  stored.startsWith(MARK) ? (JSON.parse(stored.slice(1)) as string) : stored;

const BLOB = /\{"\$blob":"([^"\\]+)"\}/g;

/** Hashes of the blobs that a JSON text refers to. A quote inside a string is escaped, so only true references match. */
export function blobsIn(text: string): readonly string[] {
  if (!text.includes('{"$blob":"')) return [];
  return [...text.matchAll(BLOB)].flatMap(([, hash]) => (hash === undefined ? [] : [hash]));
}

export const EMPTY_CONTEXT = "{}";
export const EMPTY_ASIDE = "null";
