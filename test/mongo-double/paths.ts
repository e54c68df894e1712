import type { Document } from "./wire.ts";

/** Reading and writing by dotted path, in records only: nobody here addresses array items by number. */
export function valueAt(document: Document, path: string): unknown {
  let at: unknown = document;
  for (const key of path.split(".")) {
    if (typeof at !== "object" || at === null) return undefined;
    at = (at as Document)[key];
  }
  return at;
}

/** The values that an index sees: arrays are taken apart, wherever they stand on the path. */
export function valuesAt(document: unknown, path: readonly string[]): readonly unknown[] {
  if (Array.isArray(document)) return document.flatMap((item) => valuesAt(item, path));
  const [key, ...rest] = path;
  if (key === undefined) return [document];
  if (typeof document !== "object" || document === null) return [undefined];
  return valuesAt((document as Document)[key], rest);
}

function holderOf(document: Document, keys: readonly string[], create: boolean): Document | undefined {
  let at = document;
  for (const key of keys) {
    let next = at[key];
    if (next === undefined) {
      if (!create) return undefined;
      at[key] = next = {};
    }
    if (typeof next !== "object" || next === null || Array.isArray(next)) {
      throw new Error(`cannot go on from ${key}: it is no record`);
    }
    at = next as Document;
  }
  return at;
}

export function setAt(document: Document, path: string, value: unknown): void {
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  const holder = holderOf(document, keys, true);
  if (holder !== undefined) holder[last] = value;
}

export function unsetAt(document: Document, path: string): void {
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  const holder = holderOf(document, keys, false);
  if (holder !== undefined) delete holder[last];
}
