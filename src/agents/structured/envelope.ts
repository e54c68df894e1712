import type { Wire } from "../../domain/wire.ts";
import { type Located, resolved, typesOf } from "./conform.ts";
import type { Level } from "./conversions.ts";
import { isList, isRecord, type JsonRecord, parseJson } from "./json-text.ts";

interface Content {
  readonly value: Wire;
  readonly transforms: readonly string[];
}

const NAME_KEYS = ["name", "tool", "tool_name", "function", "recipient_name"];
const ARGUMENT_KEYS = ["arguments", "parameters", "args", "input", "tool_input", "action_input"];
const LIST_KEYS = ["tool_calls", "tool_uses", "calls"];

/**
 * What an answer is wrapped in, taken off once: a tool call written as text (level 1), or one key around everything that the
 * schema does not know (level 2: `{"result": {…}}`). Asked only when the whole does not fit the schema.
 */
export function envelopeContent(value: Wire, located: Located, level: Level): Content | undefined {
  const known = knownKeys(located);
  const call = level >= 1 ? callContent(value, known) : undefined;
  if (call !== undefined) return { value: call, transforms: ["tool-call"] };
  if (level < 2 || !isRecord(value)) return undefined;
  const [entry, ...others] = Object.entries(value);
  if (entry === undefined || others.length > 0 || known.includes(entry[0])) return undefined;
  return typeof entry[1] === "object" && entry[1] !== null
    ? { value: entry[1], transforms: [`envelope:${entry[0]}`] }
    : undefined;
}

function knownKeys(located: Located): readonly string[] {
  const here = resolved(located);
  const properties = here?.schema["properties"];
  return here !== undefined && typesOf(here).includes("object") && isRecord(properties) ? Object.keys(properties) : [];
}

function callContent(value: Wire, known: readonly string[]): Wire | undefined {
  if (isList(value)) return value.length === 1 ? callContent(value[0] ?? null, known) : undefined;
  if (!isRecord(value)) return undefined;
  const list = inner(value, LIST_KEYS, known);
  if (isList(list)) return callContent(list, known);
  const nested = inner(value, ["function", "function_call", "tool_call"], known);
  if (isRecord(nested)) return callContent(nested, known);
  if (typeof inner(value, [...NAME_KEYS, "action"], known) !== "string") return undefined;
  const content = inner(value, ARGUMENT_KEYS, known);
  const parsed = typeof content === "string" ? parseJson(content) : content;
  return isRecord(parsed) || isList(parsed) ? parsed : undefined;
}

/** The value under the first of the keys that is there; a key that the schema knows is content, not envelope. */
function inner(value: JsonRecord, keys: readonly string[], known: readonly string[]): Wire | undefined {
  const key = keys.find((one) => Object.hasOwn(value, one) && !known.includes(one));
  return key === undefined ? undefined : value[key];
}
