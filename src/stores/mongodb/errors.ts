import { FlujoError } from "../../domain/errors.ts";

/** Codes of MongoDB's own table. */
const DUPLICATE = 11_000;
const TOO_LARGE = [10_334, 17_419, 17_420];
const UNAUTHORIZED = [13, 18];
const NOT_PRIMARY = [10_107, 13_435, 10_058];

interface Said {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly message?: unknown;
  readonly writeErrors?: unknown;
  readonly errorResponse?: unknown;
}

const said = (error: unknown): Said => (typeof error === "object" && error !== null ? (error as Said) : {});

export const isDuplicate = (error: unknown): boolean => said(error).code === DUPLICATE;

/** A bulk of inserts of which some were there already, and nothing else went wrong. */
export function onlyDuplicates(error: unknown): boolean {
  if (!isDuplicate(error)) return false;
  const { writeErrors } = said(error);
  return !Array.isArray(writeErrors) || writeErrors.every((one: unknown) => isDuplicate(one));
}

/** Places, in the batch, of documents that were there already. */
export const duplicatePlaces = (error: unknown): readonly number[] => {
  const { writeErrors } = said(error);
  return Array.isArray(writeErrors) ? writeErrors.map((one: { readonly index: number }) => one.index) : [0];
};

/** The answer is lost: what was asked may have happened or not. A bulk wraps what it met, in an error of its own name. */
export function isLostAnswer(error: unknown): boolean {
  const { name, errorResponse } = said(error);
  const isLost = typeof name === "string" && /Network|PoolCleared|ServerSelection/.test(name);
  return isLost || (errorResponse instanceof Error && isLostAnswer(errorResponse));
}

/** The fault lies in what was to be written: its neighbours can still be stored. */
export function isTooLarge(error: unknown): boolean {
  const { code, message } = said(error);
  return (
    (typeof code === "number" && TOO_LARGE.includes(code)) ||
    error instanceof RangeError ||
    (typeof message === "string" && /larger than the maximum size|BSONObj size/.test(message))
  );
}

/** Any error of the driver as one of ours, with its cause. The text of drivers never holds passwords; URLs are not repeated. */
export function storeError(error: unknown, where: string): FlujoError {
  if (error instanceof FlujoError) return error;
  const { name, code, message } = said(error);
  const text = typeof message === "string" ? message : String(error);
  if (typeof code === "number" && NOT_PRIMARY.includes(code)) {
    return new FlujoError("STORE_READ_ONLY", `${where} is not the primary: ${text}`, { cause: error });
  }
  if (typeof code === "number" && UNAUTHORIZED.includes(code)) {
    return new FlujoError("STORE_UNAVAILABLE", `${where} refused the user: ${text}`, { cause: error });
  }
  const what = name === "MongoServerSelectionError" || isLostAnswer(error) ? "cannot be reached" : "refused";
  return new FlujoError("STORE_UNAVAILABLE", `${where} ${what}: ${text}`, { cause: error });
}
