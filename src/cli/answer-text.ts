import type { Definition } from "../definition/definition.ts";
import { type JsonSchema, jsonSchemaOf } from "../definition/json-schema.ts";
import { FlujoError } from "../domain/errors.ts";
import { parseJson } from "./json-text.ts";

/** The JSON schema of the answer that a pause wants, where its flow is known here and its schema can say it. */
export function answerSchema(flows: readonly Definition[], path: string): JsonSchema | undefined {
  for (const flow of flows) {
    const node = flow.nodes.get(path);
    if (node?.kind === "wait" && node.wait.kind === "human" && node.wait.answer !== undefined)
      return jsonSchemaOf(node.wait.answer, "input");
    const below = answerSchema(flow.calls, path);
    if (below !== undefined) return below;
  }
  return undefined;
}

/** What a person typed: JSON; text and yes or no also without quotes, where that is what is wanted. */
export function typedAnswer(text: string, schema: JsonSchema | undefined): unknown {
  const word = text.trim().toLowerCase();
  if (schema?.["type"] === "string" && !text.trim().startsWith('"')) return text;
  if (word === "y" || word === "yes") return verdict(schema, true) ?? text;
  if (word === "n" || word === "no") return verdict(schema, false) ?? text;
  if (schema === undefined && /^[a-z]/i.test(word) && !["true", "false", "null"].includes(word)) return text;
  return parseJson(text, "the answer", "ANSWER_INVALID");
}

/** What `--yes` answers. Throws ANSWER_INVALID when the question is not one of yes or no. */
export function yesTo(schema: JsonSchema | undefined, path: string): unknown {
  const yes = verdict(schema, true);
  if (yes !== undefined) return yes;
  throw new FlujoError("ANSWER_INVALID", `--yes cannot answer ${path}: it wants ${shapeText(schema)}; use --answer`, {
    at: path,
  });
}

/** Yes or no as the schema wants it: a boolean, or an object whose required fields are all boolean. */
function verdict(schema: JsonSchema | undefined, yes: boolean): unknown {
  if (schema === undefined || schema["type"] === "boolean") return yes;
  const required = schema["required"];
  const properties = fieldsOf(schema);
  if (schema["type"] !== "object" || !Array.isArray(required) || required.length === 0) return undefined;
  const wanted = required.filter((name): name is string => typeof name === "string");
  if (!wanted.every((name) => isSchema(properties[name]) && properties[name]["type"] === "boolean")) return undefined;
  return Object.fromEntries(wanted.map((name) => [name, yes]));
}

/** A JSON schema in a few words: `{ ok: boolean, note?: string }`. */
export function shapeText(schema: JsonSchema | undefined): string {
  if (schema === undefined) return "any JSON";
  const { type } = schema;
  const choice = schema["enum"] ?? schema["anyOf"];
  if (Array.isArray(choice))
    return choice.map((one) => (isSchema(one) ? shapeText(one) : JSON.stringify(one))).join(" | ");
  if ("const" in schema) return JSON.stringify(schema["const"]);
  if (type === "array") return `${shapeText(isSchema(schema["items"]) ? schema["items"] : undefined)}[]`;
  if (type !== "object") return typeof type === "string" ? type : "JSON";
  const required: unknown = schema["required"] ?? [];
  const fields = Object.entries(fieldsOf(schema)).map(([name, field]) => {
    const optional = Array.isArray(required) && required.includes(name) ? "" : "?";
    return `${name}${optional}: ${shapeText(isSchema(field) ? field : undefined)}`;
  });
  return fields.length === 0 ? "{}" : `{ ${fields.join(", ")} }`;
}

const fieldsOf = (schema: JsonSchema): Readonly<Record<string, unknown>> =>
  isSchema(schema["properties"]) ? schema["properties"] : {};

const isSchema = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value);
