import { jsonrepair } from "jsonrepair";
import type { Wire } from "../../domain/wire.ts";
import { isHeld, isList, isRecord, parseJson } from "./json-text.ts";
import { isTriple, type Token, tokenAt } from "./lexer.ts";
import type { Span } from "./spans.ts";

/*
 * Deterministic repair of one bracketed part. The library fixes quotes, commas, brackets, comments and literals; but it also makes
 * values up: `{"a":}` becomes null, `{"na` a key with null, `-` becomes -0, and a number that was cut at the end of the text looks
 * whole. Such places are taken out beforehand, so that what is missing stays missing, and what comes out is compared with the
 * text once more. It is given one bracketed part only: it throws on prose before one, and turns prose after one into an array.
 */

/** Stands where a value was left out; from the private use area. Its key goes with it. */
const LEFT_OUT = "\uE001";

/** The library looks back for each stray quote: 120,000 characters of nothing else took it 2.7 s, 16,000 take 20 ms. */
const MAX_CHARACTERS = 131_072;

interface Repaired {
  readonly value: Wire;
  readonly transforms: readonly string[];
}

export function repair(text: string, span: Span): Repaired | undefined {
  if (span.end - span.start > MAX_CHARACTERS) return undefined;
  const source = text.slice(span.start, span.end);
  return repairText(source, span.complete, []) ?? repairEntities(source, span.complete);
}

/** Answers that went through HTML. */
function repairEntities(source: string, complete: boolean): Repaired | undefined {
  const plain = source
    .replace(/&quot;|&#34;/g, '"')
    .replace(/&apos;|&#39;/g, "'")
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&amp;/g, "&");
  if (plain === source || source.includes('"')) return undefined;
  const value = parseJson(plain);
  return value === undefined
    ? repairText(plain, complete, ["html-entities"])
    : { value, transforms: ["html-entities"] };
}

function repairText(source: string, complete: boolean, before: readonly string[]): Repaired | undefined {
  const prepared = withoutGaps(source, complete);
  let repaired: string;
  try {
    repaired = jsonrepair(prepared);
  } catch {
    return undefined; // beyond repair: the caller goes on with the next part, or says so
  }
  const value = parseJson(repaired);
  if (value === undefined || typeof value !== "object" || value === null) return undefined;
  if (!isGrounded(value, source)) return undefined;
  const transforms = [...before, "json-repair", ...(complete ? [] : ["closed-cut-text"])];
  const kept = withoutLeftOut(value);
  // Nothing whole came before the cut: closed brackets around nothing would pass for an answer.
  if (!complete && typeof kept === "object" && kept !== null && Object.keys(kept).length === 0) return undefined;
  return { value: kept, transforms };
}

/** The source with a mark wherever a value is missing, cut or none, and with every escape made lawful. */
function withoutGaps(source: string, complete: boolean): string {
  const tokens = tokensOf(source).filter(({ kind }) => kind !== "comment");
  const open: string[] = [];
  let text = "";
  tokens.forEach((token, i) => {
    const { kind, start, end } = token;
    const raw = source.slice(start, end);
    const [before, after] = [tokens[i - 1], tokens[i + 1]];
    if (kind === "open") open.push(raw);
    if (kind === "close") open.pop();
    if (kind === "comma" && (before === undefined || before.kind === "comma" || before.kind === "open")) return;
    const inObject = open.at(-1) === "{";
    if (!complete && after === undefined && inObject && isKey(before) && (kind === "string" || kind === "bare")) return;
    text += text === "" ? "" : source.slice(before?.end ?? start, start).replace(/\S+/g, " "); // comments go, line ends stay
    text += kind === "string" ? quoted(raw, token) : kind === "bare" ? bare(raw, token, source, complete) : raw;
    const valueMissing = kind === "colon" && (after === undefined || after.kind === "comma" || after.kind === "close");
    if (valueMissing) text += `"${LEFT_OUT}"`;
  });
  return text;
}

function tokensOf(source: string): readonly Token[] {
  const tokens: Token[] = [];
  for (let token = tokenAt(source, 0); token !== undefined; token = tokenAt(source, token.end)) tokens.push(token);
  return tokens;
}

const isKey = (before: Token | undefined): boolean => before?.kind === "open" || before?.kind === "comma";

function bare(raw: string, { end }: Token, source: string, complete: boolean): string {
  // Cut where the text ends: 12 may have been 1250, and "tru" anything.
  if (raw === "undefined" || (!complete && end === source.length)) return `"${LEFT_OUT}"`;
  if (/^\+(?:\d|\.\d)/.test(raw)) return raw.slice(1);
  // A number begun and not ended, which the library would complete.
  return /^[-+]?\d*\.?\d*(?:[eE][-+]?)$|^-$/.test(raw) ? JSON.stringify(raw) : raw;
}

/**
 * A string as JSON writes it: where it begins and ends was decided once, and the library, which has rules of its own for stray
 * quotes (it makes `it"s` of `'it's'`), is not asked again. Only a string that never closes is left to it.
 */
function quoted(raw: string, { cut }: Token): string {
  const lawful = withLawfulEscapes(raw);
  if (cut === true && raw.startsWith('"')) return lawful;
  const size = isTriple(raw.slice(0, 3)) ? 3 : 1;
  const inside = cut === true ? lawful.slice(size).replace(/\\$/, "") : lawful.slice(size, -size);
  const escaped = inside.replace(/\\([\s\S])|"/g, (match, escape: string | undefined) => {
    if (escape === undefined) return '\\"';
    return escape === "'" || escape === "`" ? escape : match;
  });
  return `"${escaped}"`;
}

/**
 * Backslashes that JSON does not know are meant literally (`C:\path`, `\alpha`), and then so are all others of the string:
 * whoever did not escape one did not escape its neighbour, and `\new` is no line break. `\'` and `\/` are quoting habits.
 */
function withLawfulEscapes(raw: string): string {
  const unlawful = /\\(?!["'`\\/bfnrtu]|u[0-9a-fA-F]{4}|\r?\n)|\\u(?![0-9a-fA-F]{4})/;
  const pairsGone = raw.replace(/\\\\/g, "");
  if (!unlawful.test(pairsGone)) return raw;
  return raw.replace(/\\(["'`\\])|\\/g, (match, kept: string | undefined) => (kept === undefined ? "\\\\" : match));
}

function withoutLeftOut(value: Wire): Wire {
  if (isList(value)) return value.filter((item) => item !== LEFT_OUT).map(withoutLeftOut);
  if (!isRecord(value)) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== LEFT_OUT);
  return Object.fromEntries(entries.map(([key, inner]) => [key, withoutLeftOut(inner)]));
}

const LITERALS = [
  [null, /\b(?:null|none|nil)\b/i],
  [true, /\btrue\b/i],
  [false, /\bfalse\b/i],
] as const;

/** The library is not trusted with this: every number, boolean and null that comes out stands in the text. */
function isGrounded(value: Wire, source: string): boolean {
  const numbers = new Set(
    (source.match(/[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/g) ?? []).filter(isHeld).map(Number),
  );
  const grounded = (inner: Wire): boolean => {
    if (typeof inner === "number") return numbers.has(inner);
    if (typeof inner === "string") return true;
    if (isList(inner)) return inner.every(grounded);
    if (isRecord(inner)) return Object.values(inner).every(grounded);
    return LITERALS.some(([literal, pattern]) => literal === inner && pattern.test(source));
  };
  return grounded(value);
}
