import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { lineOf, readSource } from "../test/architecture/source-text.ts";

/** Every `any` in a type of the given declaration text, as `line: the line`. Comments, strings and members called any do not count. */
export function anyIn(text: string): string[] {
  const { code } = readSource(text);
  const lines = text.split("\n");
  return [...code.matchAll(/(?<![\w$.])any(?![\w$])/g)].flatMap((match) => {
    const isMember = /[{;,]\s*(?:readonly\s+|static\s+)*$/.test(code.slice(0, match.index));
    const named = /^\s*\??\s*[:(]/.test(code.slice(match.index + 3));
    if (isMember && named) return [];
    const line = lineOf(code, match.index);
    return [`${line}: ${(lines[line - 1] ?? "").trim()}`];
  });
}

/** The same for every declaration file below a folder; throws when there is none, so it cannot pass empty. */
export function anyInDeclarations(folder: string): string[] {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".d.ts"));
  if (files.length === 0) throw new Error(`${folder} has no .d.ts files`);
  return files.flatMap((name) => anyIn(readFileSync(join(folder, name), "utf8")).map((hit) => `${name}:${hit}`));
}
