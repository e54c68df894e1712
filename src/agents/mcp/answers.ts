import { FlujoError } from "../../domain/errors.ts";
import type { Wire } from "../../domain/wire.ts";
import { isList, isRecord } from "../structured/json-text.ts";

/*
 * What servers answer, read once at the border. Whatever a server says is data for a model: it is read by shape, and what we do not
 * know is passed over.
 */

type Fields = { readonly [key: string]: Wire };

/** A tool as its server describes it. */
export interface ListedTool {
  readonly name: string;
  readonly description: string;
  readonly parameters: Fields;
}

const textOr = (wire: Wire | undefined, otherwise: string): string => (typeof wire === "string" ? wire : otherwise);

/** One page of a list of tools. Throws TOOL_SERVER_UNAVAILABLE. */
export function toolsIn(answer: unknown): { readonly tools: readonly ListedTool[]; readonly next: string | undefined } {
  const { tools, nextCursor } = fieldsOf(answer);
  if (!isList(tools ?? null)) throw unreadable("a list of tools");
  return {
    tools: (tools as readonly Wire[]).map(toolIn),
    next: typeof nextCursor === "string" && nextCursor !== "" ? nextCursor : undefined,
  };
}

function toolIn(wire: Wire): ListedTool {
  const { name, title, description, inputSchema } = fieldsOf(wire);
  if (typeof name !== "string" || name === "" || !isRecord(inputSchema ?? null))
    throw unreadable("a tool with a name and a schema");
  return { name, description: textOr(description, textOr(title, name)), parameters: inputSchema as Fields };
}

/** What a call gave: what is structured as it is, texts as one text, anything else as a list. Throws what the tool says is wrong. */
export function outputIn(answer: unknown, tool: string): Wire {
  const { content = [], structuredContent, isError } = fieldsOf(answer);
  const blocks = (isList(content) ? content : []).map(blockIn);
  const texts = blocks.filter((block) => typeof block === "string");
  if (isError === true) throw new FlujoError("STEP_FAILED", texts.join("\n") || `the tool ${tool} failed`);
  if (structuredContent !== undefined) return structuredContent;
  return texts.length === blocks.length ? texts.join("\n") : blocks;
}

/** Text as it is. Pictures and sounds are told of only: as text they would be nothing but a bill. */
function blockIn(wire: Wire): Wire {
  const { type = "unknown", text, data, resource, ...rest } = fieldsOf(wire);
  if (type === "text") return textOr(text, "");
  if (type === "resource") {
    const { blob, ...fields } = fieldsOf(resource);
    return { type, ...fields, ...omitted(blob) };
  }
  return { type, ...rest, ...omitted(data) };
}

const omitted = (data: Wire | undefined): Fields =>
  typeof data === "string" ? { omitted: `${Math.floor((data.length * 3) / 4)} bytes` } : {};

const fieldsOf = (wire: unknown): Fields => {
  const value = wire as Wire; // parsed JSON
  return isRecord(value ?? null) ? (value as Fields) : {};
};

const unreadable = (what: string): FlujoError =>
  new FlujoError("TOOL_SERVER_UNAVAILABLE", `the MCP server answered something else than ${what}`);
