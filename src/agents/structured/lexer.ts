/*
 * Reads text that wants to be JSON as tokens, leniently: any kind of quotes, comments, bare words, inner quotes that nobody
 * escaped. Every place of the text is looked at a bounded number of times.
 *
 * A quote opens a string only where a key or value may begin, and closes it only where something may follow a key or value:
 * `"he said "hi" to"` is one string, and the apostrophe of a bare word is part of the word.
 */

export type TokenKind = "open" | "close" | "comma" | "colon" | "string" | "bare" | "comment";

export interface Token {
  readonly kind: TokenKind;
  readonly start: number;
  readonly end: number;
  /** Of a string: the text ended before it did. */
  readonly cut?: true;
}

const CLOSERS: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  "`": "`",
  "“": "”",
  "‘": "’",
  "„": "“",
  "«": "»",
};
const PUNCTUATION: Readonly<Record<string, TokenKind>> = {
  "{": "open",
  "[": "open",
  "}": "close",
  "]": "close",
  ",": "comma",
  ":": "colon",
};

const isSpace = (character: string): boolean => /\s/.test(character);

/** The token at or after `from`, undefined at the end of the text. */
export function tokenAt(text: string, from: number): Token | undefined {
  const start = afterSpace(text, from);
  if (start >= text.length) return undefined;
  const character = text[start] ?? "";
  const kind = PUNCTUATION[character];
  if (kind !== undefined) return { kind, start, end: start + 1 };
  const comment = commentEnd(text, start);
  if (comment !== undefined) return { kind: "comment", start, end: comment };
  const closer = CLOSERS[character];
  return closer === undefined ? bareAt(text, start) : stringAt(text, start, closer);
}

function commentEnd(text: string, start: number): number | undefined {
  const end = (mark: string, size: number): number => {
    const found = text.indexOf(mark, start + 2);
    return found === -1 ? text.length : found + size;
  };
  if (text.startsWith("/*", start)) return end("*/", 2);
  if (text.startsWith("//", start)) return end("\n", 0);
  return text.startsWith("# ", start) ? end("\n", 0) : undefined;
}

function stringAt(text: string, start: number, closer: string): Token {
  const triple = text.slice(start, start + 3);
  if (isTriple(triple)) {
    const end = text.indexOf(triple, start + 3);
    return end === -1 ? cutString(text, start) : { kind: "string", start, end: end + 3 };
  }
  // Opened curly, a string may still be closed by a straight quote.
  const closes = (character: string): boolean => character === closer || (closer === "”" && character === '"');
  for (let i = start + 1; i < text.length; i++) {
    const character = text[i] ?? "";
    if (character === "\\") i++;
    else if (closes(character) && mayFollow(text, i + 1)) return { kind: "string", start, end: i + 1 };
  }
  return cutString(text, start);
}

const cutString = (text: string, start: number): Token => ({ kind: "string", start, end: text.length, cut: true });

export const isTriple = (quotes: string): boolean => quotes === '"""' || quotes === "'''" || quotes === "```";

/** What may come behind the comma after a string: a key, a value, a bracket, a comment; not the rest of a sentence. */
const GOES_ON = /^(?:$|["'“‘«„`{}[\],/#]|[+-]?[.\d]|[\w$.-]+\s*(?:[,:}\]]|$)|\.\.\.)/;
const LOOKED_AT = 100; // characters behind a comma

/** After a closing quote comes punctuation, a comment, the end, or the next key on a new line (its comma forgotten). */
function mayFollow(text: string, from: number): boolean {
  const at = afterSpace(text, from);
  const next = text[at] ?? "";
  if (next === "" || ":}]".includes(next)) return true;
  if (next === ",") {
    const behind = afterSpace(text, at + 1);
    return GOES_ON.test(text.slice(behind, behind + LOOKED_AT));
  }
  if (text.startsWith("//", at) || text.startsWith("/*", at) || text.startsWith("# ", at)) return true;
  if (next === "+") return true; // "a" + "b"
  return at > from && next in CLOSERS;
}

function afterSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && isSpace(text[at] ?? "")) at++;
  return at;
}

function bareAt(text: string, start: number): Token {
  let end = start;
  while (end < text.length && !",:{}[]\n\r".includes(text[end] ?? "")) end++;
  // A URL without quotes has a colon of its own.
  if (text[end] === ":" && text.startsWith("://", end)) {
    while (end < text.length && !",{}[]\n\r\t ".includes(text[end] ?? "")) end++;
  }
  const comment = text.slice(start, end).search(/\s(\/\/|\/\*|# )/);
  if (comment > 0) end = start + comment;
  while (end > start + 1 && isSpace(text[end - 1] ?? "")) end--;
  return { kind: "bare", start, end: Math.max(end, start + 1) };
}
