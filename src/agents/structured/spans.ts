import { LIMITS } from "../../domain/limits.ts";
import { tokenAt } from "./lexer.ts";

export type RootKind = "object" | "array";

/** A part of a text that begins with a bracket. */
export interface Span {
  readonly kind: RootKind;
  readonly start: number;
  readonly end: number;
  /** False: the text ended before its last bracket closed. */
  readonly complete: boolean;
}

/** Openings that turned out to be prose, after which the search goes on: each costs one pass over the text. */
const MAX_PROSE_OPENINGS = 64;

const LOOKS_LIKE_OBJECT = /^\{(?:\s|\\[nrt])*(?:["'“‘«„`}]|[\w$-]+\s*:|\/[/*]|\\"|&quot;|&#34;)/;
const LOOKS_LIKE_ARRAY =
  /^\[(?:\s|\\[nrt])*(?:["'“‘«„`{[\]]|[+-]?[.\d]|\/[/*]|\\"|&quot;|(?:true|false|null|none|nan)\b)/i;

/** Whether what begins here was meant as JSON, and is not a word in brackets. */
export function looksLikeJson(text: string, { start, kind }: Pick<Span, "start" | "kind">): boolean {
  return (kind === "object" ? LOOKS_LIKE_OBJECT : LOOKS_LIKE_ARRAY).test(text.slice(start, start + 200));
}

/**
 * The outermost bracketed parts, in order. Where one that looks like JSON never closes, it takes the rest of the text, so that
 * no inner part of a cut answer is mistaken for the answer.
 */
export function spansOf(text: string): readonly Span[] {
  const spans: Span[] = [];
  let openings = 0;
  let at = nextOpening(text, 0);
  while (at !== -1 && openings < MAX_PROSE_OPENINGS) {
    const kind = text[at] === "{" ? "object" : "array";
    const end = closeOf(text, at);
    if (end !== undefined) spans.push({ kind, start: at, end, complete: true });
    else if (looksLikeJson(text, { start: at, kind })) {
      return [...spans, { kind, start: at, end: endOfCut(text, at), complete: false }];
    } else openings++;
    at = nextOpening(text, end ?? at + 1);
  }
  return spans;
}

function nextOpening(text: string, from: number): number {
  const [brace, bracket] = [text.indexOf("{", from), text.indexOf("[", from)];
  if (brace === -1 || bracket === -1) return Math.max(brace, bracket);
  return Math.min(brace, bracket);
}

/** A closed fence ends what it holds, cut or not. */
function endOfCut(text: string, start: number): number {
  const fence = text.indexOf("\n```", start);
  return fence === -1 ? text.length : fence + 1;
}

/** Where the bracket that opens at `start` closes. A closer that skips inner brackets closes them too: they were forgotten. */
function closeOf(text: string, start: number): number | undefined {
  const open: string[] = [];
  let token = tokenAt(text, start);
  while (token !== undefined) {
    if (token.kind === "open") {
      open.push(text[token.start] === "{" ? "}" : "]");
      if (open.length > LIMITS.valueDepth) return undefined;
    } else if (token.kind === "close") {
      const match = open.lastIndexOf(text[token.start] ?? "");
      if (match === 0) return token.end;
      if (match > 0) open.length = match;
    }
    token = tokenAt(text, token.end);
  }
  return undefined;
}
