import { inspect } from "node:util";
import { type ErrorCode, ERRORS, FlujoError } from "../domain/errors.ts";
import type { Failure } from "../domain/failure.ts";
import type { Colors } from "./colors.ts";

/** An error of flujo by its shape: the user's modules may carry a copy of the package with classes of its own. */
export function codeOf(error: unknown): ErrorCode | undefined {
  if (!(error instanceof Error) || !("code" in error) || !("help" in error)) return undefined;
  const { code } = error;
  return typeof code === "string" && Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : undefined;
}

export function exitCodeOf(error: unknown): number {
  const code = codeOf(error);
  return code === undefined ? 1 : ERRORS[code].exit;
}

/** Code, message, cause, what to do; the stack only for those who ask. */
export function problemText(error: unknown, colors: Colors, verbose: boolean): string {
  const code = codeOf(error) ?? "UNEXPECTED";
  const lines = [`${colors.red(code)}: ${messageOf(error)}`];
  for (let cause = causeOf(error); cause !== undefined; cause = causeOf(cause))
    lines.push(`  because: ${messageOf(cause)}`);
  if (code !== "UNEXPECTED") lines.push(`  ${colors.dim("what to do:")} ${ERRORS[code].help}`);
  else if (!verbose) lines.push(`  ${colors.dim("what to do:")} see where it comes from with --verbose`);
  if (verbose && error instanceof Error && error.stack !== undefined) lines.push(colors.dim(stackOf(error)));
  return lines.join("\n");
}

/** Why a run failed: code, message, place, what to do. */
export function failureText(failure: Failure, colors: Colors, verbose: boolean): string {
  const lines = [`${colors.red(failure.code)}: ${failure.message}`];
  if (failure.at !== undefined) lines.push(`  ${colors.dim("where:")} ${failure.at}`);
  for (let cause = failure.cause; cause !== undefined; cause = cause.cause) lines.push(`  because: ${cause.message}`);
  lines.push(`  ${colors.dim("what to do:")} ${ERRORS[failure.code]?.help ?? "see the message"}`);
  if (verbose && failure.stack !== undefined) lines.push(colors.dim(failure.stack));
  return lines.join("\n");
}

export function problemJson(error: unknown, verbose: boolean): unknown {
  const code = codeOf(error);
  const known = error instanceof FlujoError ? { at: error.at, details: error.details } : {};
  return {
    error: {
      code: code ?? "UNEXPECTED",
      message: messageOf(error),
      ...(code !== undefined && { help: ERRORS[code].help }),
      ...known,
      ...(verbose && error instanceof Error && { stack: masked(error.stack ?? "") }),
    },
  };
}

/** Anything can be thrown, and a driver's error may say how it tried to connect: passwords in URLs are never printed. */
export const messageOf = (thrown: unknown): string =>
  masked(thrown instanceof Error ? thrown.message : inspect(thrown));

const masked = (text: string): string => text.replace(/([a-z][a-z0-9+]*:\/\/)[^\s/"']*@/gi, "$1***@");

const causeOf = (error: unknown): unknown => (error instanceof Error ? error.cause : undefined);

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : "";
  return masked(`${error.stack ?? ""}${cause}`);
}
