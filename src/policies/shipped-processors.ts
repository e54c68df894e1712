import { encode } from "../domain/wire.ts";

/** What processors of ours look at of a step's context. */
interface Reads {
  readonly context: unknown;
}
type OwnProcessor = (data: unknown, ctx: Reads) => unknown;

const textOf = (data: unknown): string => (typeof data === "string" ? data : JSON.stringify(data));

/**
 * A prompt processor: puts fields of the context before the prompt, each as `name: value`. Without names, all of them. A field that
 * is not there is left out. Source: Flujo, AddContextVariables.
 */
export function addContextVariables(...names: readonly string[]): OwnProcessor {
  return function addContextVariables(data, { context }) {
    const fields = typeof context === "object" && context !== null ? Object.entries(context) : [];
    const shown = fields.filter(([name]) => names.length === 0 || names.includes(name));
    if (shown.length === 0) return data;
    const lines = shown.map(
      ([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(encode(value))}`,
    );
    return `${lines.join("\n")}\n\n${textOf(data)}`;
  };
}

const FENCE = /```([^\n`]*)\n([\s\S]*?)\n?```/g;

/**
 * An output processor: what stands in the first Markdown fence of a text; with `language`, in the first fence of that language.
 * A text without such a fence, and what is no text, stays as it is. Source: Flujo, StripMarkdownFences.
 */
export function stripMarkdownFences(language?: string): OwnProcessor {
  return function stripMarkdownFences(data) {
    if (typeof data !== "string") return data;
    for (const [, tag = "", inside = ""] of data.matchAll(FENCE)) {
      if (language === undefined || tag.trim().toLowerCase() === language.toLowerCase()) return inside;
    }
    return data;
  };
}

/**
 * An output processor: the value that a text is as JSON, with or without a fence around it. A text that is none fails the attempt
 * with PROCESSOR_FAILED; what is no text stays as it is. Source: Flujo, EnforceJsonResponse.
 */
export function enforceJson(): OwnProcessor {
  const unfenced = stripMarkdownFences();
  return function enforceJson(data, ctx) {
    const text = unfenced(data, ctx);
    return typeof text === "string" ? (JSON.parse(text) as unknown) : text;
  };
}
