/*
 * What surrounds an answer: a byte order mark, the model's thinking, fences, and layers of escaping.
 */

const REASONING_TAGS = ["think", "thinking", "reasoning", "thought", "scratchpad", "analysis", "reflection"];

/**
 * The text without the model's thinking, in which drafts of the answer stand. A closing tag alone ends thinking that began in
 * the prompt; an opening one alone means that the answer never came.
 */
export function withoutReasoning(text: string): string {
  return REASONING_TAGS.reduce((rest, tag) => withoutTag(rest, tag), text);
}

function withoutTag(text: string, tag: string): string {
  const tags = new RegExp(`<(/?)${tag}(?:\\s[^<>]{0,200})?>`, "gi");
  let kept = "";
  let from = 0;
  let depth = 0;
  for (const match of text.matchAll(tags)) {
    const closes = match[1] === "/";
    if (!closes && depth === 0) kept += text.slice(from, match.index);
    if (closes && depth === 0) kept = "";
    depth = Math.max(0, depth + (closes ? -1 : 1));
    from = match.index + match[0].length;
  }
  return depth > 0 ? kept : kept + text.slice(from);
}

/** Without what stands before an answer (also a byte order mark). White space at the end says that the last word was ended. */
export const fromStart = (text: string): string => text.trimStart();

/** The inside of a text that is nothing but one fenced block. */
export function withoutFence(text: string): string {
  const match = /^```[^\n`]*\n([\s\S]*?)```\s*$/.exec(text);
  return match?.[1] !== undefined && !match[1].includes("```") ? match[1] : text;
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", b: "\b", f: "\f" };

/** One layer of escaping less; undefined where there is none around quotes. */
export function unescapedOnce(text: string): string | undefined {
  if (!text.includes('\\"')) return undefined;
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/gs, (_, hex: string | undefined, plain: string | undefined) =>
    hex === undefined ? (ESCAPES[plain ?? ""] ?? plain ?? "") : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
