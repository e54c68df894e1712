import { isAbsolute, resolve } from "node:path";

const FORM = /^sqlite:(\/\/)?([^?]*)(\?.*)?$/;

/** The file that a `sqlite:` URI names, as written; undefined for other stores and for a database in memory. */
export function sqliteFile(uri: string): string | undefined {
  const path = FORM.exec(uri)?.[2];
  return path === undefined || path === "" || path === ":memory:" ? undefined : path;
}

/** The same URI with its relative file made absolute, seen from `folder`. Other URIs stay as they are. */
export function resolveStateUri(uri: string, folder: string): string {
  const path = sqliteFile(uri);
  if (path === undefined || isAbsolute(path)) return uri;
  return `sqlite:${resolve(folder, path)}${FORM.exec(uri)?.[3] ?? ""}`;
}
