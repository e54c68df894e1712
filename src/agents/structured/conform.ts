import { canonical } from "../../domain/canonical.ts";
import type { Issue } from "../../domain/schema.ts";
import type { Wire } from "../../domain/wire.ts";
import type { JsonSchema } from "../../definition/json-schema.ts";
import { isList, isRecord, unheldDigits } from "./json-text.ts";

/*
 * Whether a value breaks a JSON schema, as far as we read schemas: type, const, enum, properties, required, items, prefixItems,
 * anyOf, oneOf, allOf and local references. Keywords beyond these are not judged: the author's own schema has the last word.
 */

const MAX_REFERENCES = 32; // a reference to itself ends
export const MAX_ISSUES = 50; // a list of 10,000 wrong items is one mistake

const isSchema = (wire: Wire | undefined): wire is JsonSchema => isRecord(wire);

/** A schema and the document that its references lead into. */
export interface Located {
  readonly schema: JsonSchema;
  readonly root: JsonSchema;
}

/** Follows local references. Undefined when one leads nowhere that we know: then anything fits. */
export function resolved({ schema, root }: Located): Located | undefined {
  let here: Wire | undefined = schema;
  for (let hops = 0; hops < MAX_REFERENCES; hops++) {
    if (!isSchema(here)) return undefined;
    const reference: Wire | undefined = here["$ref"];
    if (reference === undefined) return { schema: here, root };
    if (typeof reference !== "string" || !reference.startsWith("#")) return undefined;
    here = pointedAt(root, reference);
  }
  return undefined;
}

function pointedAt(root: JsonSchema, reference: string): Wire | undefined {
  let here: Wire | undefined = root;
  for (const part of reference.slice(1).split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    here = isRecord(here) && Object.hasOwn(here, key) ? here[key] : undefined;
  }
  return here;
}

/** The schemas listed under a keyword; what is no schema (`true`) takes anything. */
export const schemasUnder = ({ schema, root }: Located, keyword: string): readonly Located[] => {
  const list = schema[keyword];
  return isList(list) ? list.map((one) => ({ schema: isSchema(one) ? one : {}, root })) : [];
};

export function propertySchema({ schema, root }: Located, key: string): Located | undefined {
  const properties = schema["properties"];
  const own = isRecord(properties) && Object.hasOwn(properties, key) ? properties[key] : schema["additionalProperties"];
  return isSchema(own) ? { schema: own, root } : undefined;
}

export function itemSchema({ schema, root }: Located, index: number): Located | undefined {
  const prefix = schema["prefixItems"];
  const own = isList(prefix) && index < prefix.length ? prefix[index] : schema["items"];
  return isSchema(own) ? { schema: own, root } : undefined;
}

export const requiredKeys = ({ schema }: Located): readonly string[] => {
  const required = schema["required"];
  return isList(required) ? required.filter((key) => typeof key === "string") : [];
};

export function typesOf({ schema }: Located): readonly string[] {
  const { type } = schema;
  if (typeof type === "string") return [type];
  if (isList(type)) return type.filter((one) => typeof one === "string");
  if ("properties" in schema) return ["object"];
  return "items" in schema || "prefixItems" in schema ? ["array"] : [];
}

/** The values a schema lists, if it lists them. */
export function listedValues({ schema }: Located): readonly Wire[] | undefined {
  if (schema["const"] !== undefined) return [schema["const"]];
  return isList(schema["enum"]) ? schema["enum"] : undefined;
}

export function hasType(value: Wire, type: string): boolean {
  switch (type) {
    case "integer":
      return Number.isSafeInteger(value);
    case "null":
      return value === null;
    case "array":
      return isList(value);
    case "object":
      return isRecord(value);
    default:
      return typeof value === type;
  }
}

export const typeOf = (value: Wire): string => (value === null ? "null" : isList(value) ? "array" : typeof value);

export const conforms = (value: Wire, located: Located): boolean => issuesOf(value, located).length === 0;

/** What definitely breaks the schema; at most 50. */
export function issuesOf(value: Wire, located: Located, path = "$"): readonly Issue[] {
  const digits = unheldDigits(value);
  if (digits !== undefined) {
    return [{ path, message: `the number ${digits} cannot be held exactly; write it as a string` }];
  }
  const here = resolved(located);
  if (here === undefined) return inChildren(value, { schema: {}, root: located.root }, path);
  const types = typesOf(here);
  if (types.length > 0 && !types.some((type) => hasType(value, type))) {
    return [{ path, message: `expected ${types.join(" or ")} but found ${typeOf(value)}` }];
  }
  const listed = listedValues(here);
  if (listed !== undefined && !listed.some((one) => canonical(one) === canonical(value))) {
    return [{ path, message: `expected one of ${listed.slice(0, 20).map(canonical).join(", ")}` }];
  }
  const all = schemasUnder(here, "allOf").flatMap((one) => issuesOf(value, one, path));
  return [...all, ...inUnion(value, here, path), ...inChildren(value, here, path)].slice(0, MAX_ISSUES);
}

function inUnion(value: Wire, here: Located, path: string): readonly Issue[] {
  const branches = [...schemasUnder(here, "anyOf"), ...schemasUnder(here, "oneOf")];
  if (branches.length === 0) return [];
  const tries = branches.map((branch) => issuesOf(value, branch, path));
  if (tries.some((issues) => issues.length === 0)) return [];
  // The branch that came nearest says what is wrong.
  const nearest = tries.reduce((best, issues) => (issues.length < best.length ? issues : best));
  return nearest[0]?.path === path
    ? [{ path, message: `fits none of ${branches.length} alternatives: ${tries.map((t) => t[0]?.message).join("; ")}` }]
    : nearest;
}

function inChildren(value: Wire, here: Located, path: string): readonly Issue[] {
  const anything = { schema: {}, root: here.root };
  if (isList(value)) {
    return value.flatMap((item, i) => issuesOf(item, itemSchema(here, i) ?? anything, `${path}[${i}]`));
  }
  if (!isRecord(value)) return [];
  const missing = requiredKeys(here).filter((key) => !Object.hasOwn(value, key));
  return [
    ...missing.map((key) => ({ path: `${path}.${key}`, message: "is missing" })),
    ...Object.entries(value).flatMap(([key, inner]) =>
      issuesOf(inner, propertySchema(here, key) ?? anything, `${path}.${key}`),
    ),
  ];
}
