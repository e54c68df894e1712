import { FlujoError } from "../../domain/errors.ts";

/** SQLSTATE of a server's error, or undefined: five characters, of which the first two are the class. */
export function sqlState(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" && /^[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined;
}

/** 22 = data, 23 = constraints, 54 = over a limit of the server: the fault of what was to be written, not of the database. */
const ROW_FAULTS = ["22", "23", "54"];
const DEADLOCK = "40P01";
const SERIALIZATION = "40001";
const READ_ONLY = "25006";

/** Whether the fault lies in what was to be written: its neighbours can still be stored. */
export function isRowFault(error: unknown): boolean {
  const state = sqlState(error);
  if (state !== undefined) return ROW_FAULTS.includes(state.slice(0, 2));
  return error instanceof TypeError || error instanceof RangeError;
}

/** Whether the server rolled the transaction back so that another could go on: the same again will do. */
export function isTransient(error: unknown): boolean {
  const state = sqlState(error);
  return state === DEADLOCK || state === SERIALIZATION;
}

const said = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** An AggregateError (every address of a host refused) has no message of its own. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") return error.errors.map(said).join("; ");
  return said(error);
}

/** Any error of a driver or a server as one of ours, with its cause. `where` names the server without secrets. */
export function storeError(error: unknown, where: string): FlujoError {
  if (error instanceof FlujoError) return error;
  if (sqlState(error) === READ_ONLY) {
    return new FlujoError("STORE_READ_ONLY", `${where} takes no writes: ${reasonOf(error)}`, { cause: error });
  }
  const verb = sqlState(error) === undefined ? "cannot be reached" : "refused";
  return new FlujoError("STORE_UNAVAILABLE", `${where} ${verb}: ${reasonOf(error)}`, { cause: error });
}

/** The error of an operation on one row: its own fault, or that of the server. */
export function rowError(error: unknown, what: string, where: string): FlujoError {
  if (error instanceof FlujoError || !isRowFault(error)) return storeError(error, where);
  return new FlujoError("VALUE_NOT_SERIALIZABLE", `cannot store ${what}: ${said(error)}`, { cause: error });
}
