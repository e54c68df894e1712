import type { Issue } from "../../domain/schema.ts";
import type { Wire } from "../../domain/wire.ts";
import type { JsonSchema } from "../../definition/json-schema.ts";
import { fromStart, unescapedOnce, withoutFence, withoutReasoning } from "./answer-text.ts";
import { coerce } from "./coerce.ts";
import { issuesOf, type Located, propertySchema, resolved, typesOf } from "./conform.ts";
import { type Conversion, conversionsAllowed, type Level } from "./conversions.ts";
import { envelopeContent } from "./envelope.ts";
import { isRecord, parseJson } from "./json-text.ts";
import { repair } from "./repair.ts";
import { looksLikeJson, type RootKind, type Span, spansOf } from "./spans.ts";

/*
 * From the text of a model to the value it means:
 *
 *   strict     the whole text is JSON
 *   extracted  a part of it is: between prose, in a fence, in quotes within quotes; or it is the one string that is wanted
 *   repaired   a part of it is nearly JSON, and its errors have one correction (level 1 and up)
 *   coerced    JSON, in which scalars were spelled otherwise than the schema wants (level 1 and up)
 *
 * Nothing is ever made up: no defaults, no missing keys, no number that is not in the text. Where two readings are possible the
 * text is unreadable, and the model is asked again.
 */
export type Stage = "strict" | "extracted" | "repaired" | "coerced";

export interface ReadOptions {
  /** What is wanted, as JSON Schema. Without it the root is the largest bracketed part, and nothing is coerced. */
  readonly schema?: JsonSchema;
  readonly level: Level;
  /** Layers of JSON within JSON strings. Default 2. */
  readonly maxUnescapeDepth?: number;
  /** Kind of the wanted root, where the schema does not say. */
  readonly root?: RootKind;
  /** Narrows the conversions that the level allows. */
  readonly allow?: readonly Conversion[];
}

export type Answer =
  | { readonly ok: true; readonly value: Wire; readonly stage: Stage; readonly transforms: readonly string[] }
  | {
      readonly ok: false;
      /** The last stage that was tried. */
      readonly stage: Stage;
      readonly issues: readonly Issue[];
      /** What was read and does not fit, with what was done to it; absent when nothing could be read. */
      readonly unfit?: { readonly value: Wire; readonly transforms: readonly string[] };
    };

interface Reading {
  readonly value: Wire;
  readonly stage: Stage;
  readonly transforms: readonly string[];
}

interface Wanted {
  readonly located: Located | undefined;
  readonly kind: RootKind | "scalar" | undefined;
  readonly level: Level;
  readonly allowed: ReadonlySet<Conversion>;
  readonly depth: number;
}

const MAX_PARTS = 16; // bracketed parts looked at: more is no answer
/** Reads what a model wrote. Pure; never throws. */
export function readAnswer(text: string, { schema, level, maxUnescapeDepth = 2, root, allow }: ReadOptions): Answer {
  const located = schema && { schema, root: schema };
  const kind = root ?? (located && kindOf(located));
  const wanted = { located, kind, level, allowed: conversionsAllowed(level, allow), depth: maxUnescapeDepth };
  let first: Answer | undefined;
  const layer = { text: fromStart(text), depth: 0, stage: "strict" } as const;
  for (const reading of readings(layer, wanted)) {
    const answer = judged(reading, wanted);
    if (answer.ok) return answer;
    first ??= answer;
  }
  return first ?? { ok: false, stage: level === 0 ? "extracted" : "repaired", issues: [unreadable(text)] };
}

function unreadable(text: string): Issue {
  const meant = spansOf(text).filter((span) => looksLikeJson(text, span));
  if (meant.length === 0) return { path: "$", message: "there is no JSON in the answer" };
  const cut = meant.some(({ complete }) => !complete);
  return { path: "$", message: cut ? "the JSON ends before its last bracket closes" : "the JSON is broken" };
}

function kindOf(located: Located): Wanted["kind"] {
  const here = resolved(located);
  const types = here === undefined ? [] : typesOf(here).filter((type) => type !== "null");
  const only = types.length === 1 ? types[0] : undefined;
  if (only === undefined) return undefined;
  return only === "object" || only === "array" ? only : "scalar";
}

/** Bent towards the schema, and compared with it. */
function judged(reading: Reading, wanted: Wanted): Answer {
  const { located, allowed, level } = wanted;
  if (located === undefined) return verdict(reading, []);
  const bent = coerce(reading.value, located, allowed);
  const issues = issuesOf(bent.value, located);
  const coerced = bent.transforms.length > 0;
  const stage = coerced || (issues.length > 0 && level > 0) ? "coerced" : reading.stage;
  const result = { value: bent.value, stage, transforms: [...reading.transforms, ...bent.transforms] } as const;
  if (issues.length === 0) return verdict(result, issues);
  const inner = envelopeContent(reading.value, located, level);
  if (inner === undefined) return verdict(result, issues);
  const opened = judged({ ...reading, ...inner, transforms: [...reading.transforms, ...inner.transforms] }, wanted);
  return opened.ok ? opened : verdict(result, issues);
}

function verdict({ value, stage, transforms }: Reading, issues: readonly Issue[]): Answer {
  const unheld = issuesOf(value, { schema: {}, root: {} });
  const found = unheld.length > 0 ? unheld : issues;
  if (found.length === 0) return { ok: true, value, stage, transforms };
  // A number that cannot be held stands there as a mark, which nobody may take for a value.
  return { ok: false, stage, issues: found, ...(unheld.length === 0 && { unfit: { value, transforms } }) };
}

/** A text, and how many layers of escaping were taken off before. */
interface Layer {
  readonly text: string;
  readonly depth: number;
  readonly stage: "strict" | "extracted";
}

/** Brackets whose quotes are escaped: the whole is inside a string that lost its own quotes. */
const ESCAPED = /^(?:[[{](?:\s|\\[nrt])*)+\\"/;

const isEscaped = (text: string): boolean =>
  spansOf(text).some((span) => looksLikeJson(text, span) && ESCAPED.test(text.slice(span.start)));

/** Every way to read the text, likeliest first. */
function* readings(layer: Layer, wanted: Wanted): Generator<Reading> {
  const { text, depth, stage } = layer;
  const transforms = Array.from({ length: depth }, () => "unescape");
  const value = parseJson(text);
  if (typeof value === "string" && wanted.kind !== "scalar") {
    if (depth < wanted.depth) yield* readings(deeper(layer, value), wanted);
    return yield* bareText(value, transforms, wanted);
  }
  if (value !== undefined) return yield { value, stage, transforms };
  const inside = withoutFence(fromStart(withoutReasoning(text)));
  if (inside !== text) return yield* readings({ text: inside, depth, stage: "extracted" }, wanted);
  const unescaped = depth < wanted.depth ? unescapedOnce(text) : undefined;
  if (unescaped !== undefined && isEscaped(text)) return yield* readings(deeper(layer, unescaped), wanted);
  yield* parts(text, transforms, wanted);
  yield* bareText(text, transforms, wanted);
}

const deeper = ({ depth }: Layer, text: string): Layer => ({
  text: fromStart(text),
  depth: depth + 1,
  stage: "extracted",
});

/** No JSON, but words: the answer itself where a scalar is wanted, or the one string of the object that is wanted. */
function* bareText(text: string, before: readonly string[], { located, kind }: Wanted): Generator<Reading> {
  const words = text.trim();
  if (located === undefined || words === "") return;
  if (kind === "scalar" || kind === undefined) {
    return yield { value: words, stage: "extracted", transforms: [...before, "bare-text"] };
  }
  const key = kind === "object" ? onlyStringKey(located) : undefined;
  const isJson = (span: Span): boolean => (span.kind === "object" || span.start === 0) && looksLikeJson(words, span);
  if (key === undefined || spansOf(words).some(isJson)) return;
  yield { value: { [key]: words }, stage: "extracted", transforms: [...before, `wrap:${key}`] };
}

function onlyStringKey(located: Located): string | undefined {
  const here = resolved(located);
  const properties = here?.schema["properties"];
  const keys = isRecord(properties) ? Object.keys(properties) : [];
  const key = keys.length === 1 ? keys[0] : undefined;
  if (here === undefined || key === undefined) return undefined;
  const inner = resolved(propertySchema(here, key) ?? { schema: {}, root: here.root });
  return inner !== undefined && typesOf(inner).includes("string") ? key : undefined;
}

/** Bracketed parts: of the wanted kind first, larger before smaller, later before earlier. */
function* parts(text: string, before: readonly string[], { kind, level }: Wanted): Generator<Reading> {
  const wrong = (span: Span): number => (kind !== undefined && span.kind !== kind ? 1 : 0);
  const found = spansOf(text);
  const items = kind === "array" ? itemsIn(text, found) : [];
  if (items.length > 1) return yield* listed(text, items, before, level);
  const spans = found
    .toSorted((a, b) => wrong(a) - wrong(b) || b.end - b.start - (a.end - a.start) || b.start - a.start)
    .slice(0, MAX_PARTS);
  for (const span of spans) {
    const exact = span.complete ? parseJson(text.slice(span.start, span.end)) : undefined;
    if (exact !== undefined) {
      yield { value: exact, stage: "extracted", transforms: before };
      continue;
    }
    const meant = looksLikeJson(text, span);
    const repaired = level > 0 && (meant || wrong(span) === 0) ? repair(text, span) : undefined;
    if (repaired !== undefined) {
      yield { value: repaired.value, stage: "repaired", transforms: [...before, ...repaired.transforms] };
    } else if (meant && level < 2 && wrong(span) === 0) return; // the answer was this one: a smaller part is a draft or an example
  }
}

/** The objects, where a list is wanted and none is there. One of several is not the list. */
function itemsIn(text: string, found: readonly Span[]): readonly Span[] {
  const meant = found.filter((span) => looksLikeJson(text, span));
  return meant.some((span) => span.kind === "array") ? [] : meant;
}

/** Objects with nothing but commas and white space between them are the items of the list: one on each line is a habit. */
function* listed(text: string, items: readonly Span[], before: readonly string[], level: Level): Generator<Reading> {
  const between = items.slice(1).map((item, i) => text.slice(items[i]?.end, item.start));
  if (level === 0 || !between.every((gap) => /^[\s,;]*$/.test(gap))) return;
  const values: Wire[] = [];
  const transforms = new Set([...before, "listed"]);
  for (const item of items) {
    const exact = item.complete ? parseJson(text.slice(item.start, item.end)) : undefined;
    const repaired = exact === undefined ? repair(text, item) : { value: exact, transforms: [] };
    if (repaired === undefined) return;
    values.push(repaired.value);
    for (const transform of repaired.transforms) transforms.add(transform);
  }
  yield { value: values, stage: "repaired", transforms: [...transforms] };
}
