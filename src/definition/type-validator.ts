import { canonical } from "../domain/canonical.ts";
import type { Schema } from "../domain/schema.ts";
import type { Wire } from "../domain/wire.ts";
import { type JsonSchema, jsonSchemaOf } from "./json-schema.ts";
import type { FlowMeta } from "./meta.ts";
import type { Node, WaitNode } from "./node.ts";
import type { Problem } from "./problem.ts";

/** What is known of the flowing value at one point, and who gives it. */
interface Flowing {
  readonly gives: JsonSchema;
  readonly by: string;
}

/**
 * Neighbours whose schemas cannot fit: what one surely gives, the next never takes.
 *
 * Only definite contradictions are problems: disjoint types, a required property that a closed object lacks, values outside
 * an enumeration. Silent where nothing is known: steps without schemas, vendors that give no JSON schema (`~standard.jsonSchema`),
 * unions, references, and behind branches, forks and calls. What slips through is caught by the worker, at run time.
 */
export function typeProblems(root: Node, { input, output }: Pick<FlowMeta, "input" | "output">): Problem[] {
  const problems: Problem[] = [];
  const last = follow(root, known(input, "the flow's input"), problems);
  fit(last, { path: "flow", what: "the flow's output", schema: output }, problems);
  return problems;
}

function known(schema: Schema | undefined, by: string): Flowing | undefined {
  const gives = schema && jsonSchemaOf(schema, "output");
  return gives && { gives, by };
}

/** Checks a node against what flows in; gives what is known of what flows out. */
function follow(node: Node, incoming: Flowing | undefined, problems: Problem[]): Flowing | undefined {
  switch (node.kind) {
    case "step":
      fit(incoming, { path: node.path, what: "the step", schema: node.input }, problems);
      return known(node.output, node.path);
    case "sequence":
      return node.children.reduce((flowing, child) => follow(child, flowing, problems), incoming);
    case "branch":
      for (const body of Object.values(node.cases)) follow(body, incoming, problems);
      if (node.otherwise) follow(node.otherwise, incoming, problems);
      return undefined;
    case "loop": {
      const last = follow(node.body, incoming, problems);
      return node.mode === "until" ? last : undefined; // the others may not run at all
    }
    case "fork":
      if (node.children.kind === "map") follow(node.children.body, undefined, problems);
      else for (const body of Object.values(node.children.branches)) follow(body, incoming, problems);
      return undefined;
    case "wait":
      return afterWait(node, incoming);
    case "call":
      return node.background === true ? incoming : undefined;
    case "attempt": {
      const last = follow(node.body, incoming, problems);
      if (node.handler === undefined) return last;
      follow(node.handler.node, node.handler.kind === "fallback" ? incoming : undefined, problems);
      return undefined;
    }
  }
}

function afterWait({ wait, onTimeout, path }: WaitNode, incoming: Flowing | undefined): Flowing | undefined {
  if (wait.kind === "sleep" || wait.kind === "sleepUntil") return incoming;
  if (onTimeout !== undefined) return undefined;
  if (wait.kind === "human") return known(wait.answer, path);
  return wait.named ? undefined : known(Object.values(wait.schemas)[0], path);
}

interface Taker {
  readonly path: string;
  readonly what: string;
  readonly schema: Schema | undefined;
}

function fit(flowing: Flowing | undefined, { path, what, schema }: Taker, problems: Problem[]): void {
  const takes = flowing && schema && jsonSchemaOf(schema, "input");
  if (flowing === undefined || takes === undefined) return;
  for (const { at, says } of conflicts(flowing.gives, takes, "$")) {
    problems.push({ path, says: `${what} cannot take what ${flowing.by} gives: ${at} ${says}` });
  }
}

interface Conflict {
  readonly at: string;
  readonly says: string;
}

const COMPOSED = ["$ref", "$dynamicRef", "anyOf", "oneOf", "allOf", "not", "if"];
const isRecord = (wire: Wire | undefined): wire is JsonSchema =>
  typeof wire === "object" && wire !== null && !Array.isArray(wire);
const texts = (wire: Wire | undefined): readonly string[] =>
  Array.isArray(wire) ? wire.filter((item) => typeof item === "string") : typeof wire === "string" ? [wire] : [];

function conflicts(gives: JsonSchema, takes: JsonSchema, at: string): readonly Conflict[] {
  if (COMPOSED.some((keyword) => keyword in gives || keyword in takes)) return [];
  const given = texts(gives["type"]);
  const taken = texts(takes["type"]);
  if (given.length > 0 && taken.length > 0 && !given.some((type) => taken.some((other) => overlap(type, other)))) {
    return [{ at, says: `is ${given.join(" or ")}, wanted is ${taken.join(" or ")}` }];
  }
  const values = valuesOf(gives);
  const wanted = valuesOf(takes);
  if (values !== undefined && wanted !== undefined && !values.some((value) => wanted.includes(value))) {
    return [{ at, says: `is ${values.join(" or ")}, wanted is ${wanted.join(" or ")}` }];
  }
  const inItems =
    isRecord(gives["items"]) && isRecord(takes["items"]) ? conflicts(gives["items"], takes["items"], `${at}[]`) : [];
  return [...inItems, ...inProperties(gives, takes, at)];
}

const overlap = (a: string, b: string): boolean => a === b || (isNumeric(a) && isNumeric(b));
const isNumeric = (type: string): boolean => type === "number" || type === "integer";

function valuesOf(schema: JsonSchema): readonly string[] | undefined {
  if (schema["const"] !== undefined) return [canonical(schema["const"])];
  return Array.isArray(schema["enum"]) ? schema["enum"].map(canonical) : undefined;
}

function inProperties(gives: JsonSchema, takes: JsonSchema, at: string): readonly Conflict[] {
  const given = gives["properties"];
  const taken = takes["properties"];
  if (!isRecord(given) || !isRecord(taken)) return [];
  const closed = gives["additionalProperties"] === false;
  const missing = texts(takes["required"]).filter((name) => closed && !Object.hasOwn(given, name));
  const wrong = texts(gives["required"]).flatMap((name) => {
    const [one, other] = [given[name], Object.hasOwn(taken, name) ? taken[name] : undefined];
    return isRecord(one) && isRecord(other) ? conflicts(one, other, `${at}.${name}`) : [];
  });
  return [...missing.map((name) => ({ at: `${at}.${name}`, says: "is missing" })), ...wrong];
}
