/**
 * Reads TypeScript just well enough for rules over text: comments, strings and regular expressions are blanked out
 * (same length, same lines), so a rule cannot be fooled by a word in a sentence. TypeScript 7 ships no stable parser
 * API; the rules need none.
 */
export interface SourceText {
  /** The text with the contents of comments, strings and regular expressions replaced by spaces. Quotes stay. */
  readonly code: string;
  /** Every module this text names: static, type-only, re-exported, dynamic and `import("…")` types. */
  readonly imports: readonly ImportedModule[];
}

export interface ImportedModule {
  readonly specifier: string;
  readonly line: number;
  readonly typeOnly: boolean;
}

export function readSource(text: string): SourceText {
  const code = blank(text);
  return { code, imports: findImports(text, code) };
}

/** 1-based line of an offset. */
export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

const IMPORT = /\bfrom\s*(["'])|\bimport\s*(["'])|(?<![\w$.])(?:import|require)\s*\(\s*(["'`])/g;

function findImports(text: string, code: string): ImportedModule[] {
  const found: ImportedModule[] = [];
  for (const match of code.matchAll(IMPORT)) {
    const quote = match[1] ?? match[2] ?? match[3];
    const start = match.index + match[0].length;
    const end = code.indexOf(quote ?? "", start);
    const statement = code.slice(0, match.index).match(/\b(?:import|export)\b[^;"'`]*$/)?.[0] ?? "";
    found.push({
      specifier: text.slice(start, end),
      line: lineOf(text, match.index),
      typeOnly: /^(?:import|export)\s+type\b/.test(statement),
    });
  }
  return found;
}

type Region = { readonly end: number; readonly keepEnds: boolean };

function blank(text: string): string {
  let out = "";
  let at = 0;
  // Depth of braces for each `${` we are inside of: code in a template is code.
  const templates: number[] = [];
  while (at < text.length) {
    const inTemplate = templates.length - 1;
    const char = text[at];
    if (char === "`" || (char === "}" && templates[inTemplate] === 0)) {
      if (char === "}") templates.pop();
      const end = templateEnd(text, at + 1);
      out += char + spaces(text.slice(at + 1, end)) + text.slice(end, end + 1);
      at = end + 1;
      if (text[end] === "$") {
        out += "{";
        at = end + 2;
        templates.push(0);
      }
      continue;
    }
    const region = regionAt(text, at, out);
    if (region !== undefined) {
      const raw = text.slice(at, region.end);
      out += region.keepEnds ? raw[0] + spaces(raw.slice(1, -1)) + raw.slice(-1) : spaces(raw);
      at = region.end;
      continue;
    }
    if (inTemplate >= 0) templates[inTemplate] = (templates[inTemplate] ?? 0) + braceStep(char);
    out += char;
    at += 1;
  }
  return out;
}

function braceStep(char: string | undefined): number {
  if (char === "{") return 1;
  return char === "}" ? -1 : 0;
}

function regionAt(text: string, at: number, before: string): Region | undefined {
  const char = text[at];
  if (text.startsWith("//", at)) return { end: indexOr(text, "\n", at), keepEnds: false };
  if (text.startsWith("/*", at)) return { end: indexOr(text, "*/", at + 2) + 2, keepEnds: false };
  if (char === '"' || char === "'") return { end: literalEnd(text, at + 1, char), keepEnds: true };
  if (char === "/" && startsRegex(before)) return { end: literalEnd(text, at + 1, "/"), keepEnds: true };
  return undefined;
}

/** A slash opens a regular expression unless a value stands before it. */
function startsRegex(before: string): boolean {
  const trimmed = before.trimEnd();
  if (/(?:^|[^\w$.])(?:return|typeof|case|in|of|do|else|void|yield|await)$/.test(trimmed)) return true;
  return !/[\w$)\]}"'`]$/.test(trimmed);
}

function literalEnd(text: string, from: number, close: string): number {
  let inClass = false;
  for (let at = from; at < text.length; at += 1) {
    const char = text[at];
    if (char === "\\") at += 1;
    else if (char === "\n") return at;
    else if (close === "/" && char === "[") inClass = true;
    else if (char === "]") inClass = false;
    else if (char === close && !inClass) return at + 1;
  }
  return text.length;
}

function templateEnd(text: string, from: number): number {
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === "`" || text.startsWith("${", at)) return at;
  }
  return text.length;
}

function indexOr(text: string, needle: string, from: number): number {
  const at = text.indexOf(needle, from);
  return at === -1 ? text.length : at;
}

function spaces(text: string): string {
  return text.replace(/[^\n]/g, " ");
}
