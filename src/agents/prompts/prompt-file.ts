import { readFileSync, realpathSync } from "node:fs";
import { isAbsolute, relative, resolve, sep } from "node:path";
import { FlujoError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";

/** What a prompt's file said when it was first read: a run must not change its prompt because a file was saved meanwhile. */
const known = new Map<string, string>();

/**
 * The text of a prompt's file, read once per process. Relative paths start at `base` and stay inside it, also through links;
 * an absolute path is meant as it is. Line ends are `\n`, whatever the checkout made of them, so that hashes agree.
 * Throws PROMPT_INVALID.
 */
export function promptFile(file: string, base: string): string {
  const folder = isAbsolute(file) ? undefined : resolve(base);
  const path = resolve(base, file);
  const key = JSON.stringify([folder ?? null, path]); // what a whole path may reach, a relative one may not
  const read = known.get(key);
  if (read !== undefined) return read;
  if (folder !== undefined && !isWithin(folder, path)) throw outside(file);
  const text = readText(file, path, folder).replaceAll("\r\n", "\n");
  known.set(key, text);
  return text;
}

function readText(file: string, path: string, folder: string | undefined): string {
  let text: string;
  try {
    if (folder !== undefined && !isWithin(realpathSync(folder), realpathSync(path))) throw outside(file);
    text = readFileSync(path, "utf8");
  } catch (cause) {
    if (cause instanceof FlujoError) throw cause;
    throw new FlujoError("PROMPT_INVALID", `the prompt's file "${file}" cannot be read`, { cause, at: path });
  }
  if (text.length > LIMITS.messageBytes) {
    const found = `expected a prompt of at most ${LIMITS.messageBytes} characters but found ${text.length}`;
    throw new FlujoError("PROMPT_INVALID", found, { at: path });
  }
  return text.startsWith("\uFEFF") ? text.slice(1) : text;
}

function isWithin(base: string, path: string): boolean {
  const way = relative(base, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

const outside = (file: string): FlujoError =>
  new FlujoError(
    "PROMPT_INVALID",
    `the prompt's file "${file}" lies outside its folder; give its absolute path if it is meant`,
  );
