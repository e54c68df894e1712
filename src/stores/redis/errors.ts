import { FlujoError } from "../../domain/errors.ts";

export const saidBy = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Whether the server no longer knows a script: it was started anew, or somebody flushed its scripts. */
export const isUnknownScript = (error: unknown): boolean => saidBy(error).startsWith("NOSCRIPT");

/** Any error of a driver or the server as one of ours. Messages of drivers name no passwords; ours name the server without one. */
export function storeError(error: unknown, where: string): FlujoError {
  if (error instanceof FlujoError) return error;
  const said = saidBy(error);
  if (said.startsWith("READONLY")) {
    return new FlujoError("STORE_READ_ONLY", `${where} is a read-only replica: ${said}`, { cause: error });
  }
  if (said.startsWith("WRONGTYPE")) {
    return new FlujoError("STORE_CORRUPT", `${where} has a key of another type: ${said}`, { cause: error });
  }
  return new FlujoError("STORE_UNAVAILABLE", `${where} did not answer as expected: ${said}`, { cause: error });
}
