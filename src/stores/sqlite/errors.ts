import { FlujoError } from "../../domain/errors.ts";

/** Primary result codes of SQLite. */
const CONSTRAINT = 19;
const MISMATCH = 20;
const TOO_BIG = 18;
const CORRUPT = 11;
const NOT_A_DATABASE = 26;
const BUSY = 5;

const NAMES: Readonly<Record<string, number>> = {
  SQLITE_BUSY: BUSY,
  SQLITE_CORRUPT: CORRUPT,
  SQLITE_NOTADB: NOT_A_DATABASE,
  SQLITE_CONSTRAINT: CONSTRAINT,
  SQLITE_MISMATCH: MISMATCH,
  SQLITE_TOOBIG: TOO_BIG,
};

/** The primary result code of a driver's error: libsql says `rawCode`, node:sqlite `errcode`, better-sqlite3 a name. */
function resultCode(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  if ("rawCode" in error && typeof error.rawCode === "number") return error.rawCode & 0xff;
  if ("errcode" in error && typeof error.errcode === "number") return error.errcode & 0xff;
  if (!("code" in error) || typeof error.code !== "string") return undefined;
  return NAMES[error.code.split("_").slice(0, 2).join("_")];
}

export const isBusy = (error: unknown): boolean => resultCode(error) === BUSY;

/** Whether the fault lies in what was to be written, not in the database: its neighbours can still be stored. */
export function isRowFault(error: unknown): boolean {
  const code = resultCode(error);
  return (
    code === CONSTRAINT ||
    code === MISMATCH ||
    code === TOO_BIG ||
    error instanceof TypeError ||
    error instanceof RangeError
  );
}

/** Any error of a driver as one of ours, with its cause. */
export function storeError(error: unknown, path: string | undefined): FlujoError {
  if (error instanceof FlujoError) return error;
  const where = path === undefined ? "the database" : `the database ${path}`;
  const said = error instanceof Error ? error.message : String(error);
  const code = resultCode(error);
  if (code === CORRUPT || code === NOT_A_DATABASE) {
    return new FlujoError("STORE_CORRUPT", `${where} is damaged or not a database: ${said}`, { cause: error });
  }
  const what = code === BUSY ? "stayed locked by another process" : `refused: ${said}`;
  return new FlujoError("STORE_UNAVAILABLE", `${where} ${what}`, { cause: error });
}
